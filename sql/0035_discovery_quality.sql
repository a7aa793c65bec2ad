-- How good discovery is, measured by what people did afterwards with what it attached.

CREATE TABLE IF NOT EXISTS meta.discovery_ticket (
    ticket_id     bigint      PRIMARY KEY,
    requestor_uid varchar(36),
    ripe_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    judged_at     timestamptz
);

COMMENT ON TABLE meta.discovery_ticket IS 'Tickets of the action log that people are done with: completed or cancelled for 7 days, or untouched for 14. judged_at is empty until the feed was read.';

CREATE INDEX IF NOT EXISTS idx_discovery_ticket_waiting ON meta.discovery_ticket (ripe_at) WHERE judged_at IS NULL;

CREATE TABLE IF NOT EXISTS meta.discovery_verdict (
    ticket_id  bigint       NOT NULL,
    asset_id   bigint       NOT NULL,
    source     varchar(10)  NOT NULL DEFAULT 'people' CHECK (source IN ('people', 'sample')),
    verdict    varchar(10)  NOT NULL CHECK (verdict IN ('kept', 'removed', 'replaced', 'unseen', 'miss')),
    evidence   varchar(60)  NOT NULL,
    asset_name varchar(255) NOT NULL DEFAULT '',
    pipeline   varchar(100),
    acted_at   timestamptz  NOT NULL,
    judged_at  timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ticket_id, asset_id, source)
);

COMMENT ON TABLE meta.discovery_verdict IS 'One row for a ticket and a computer: what people did with what discovery attached, and what they added themselves.';
COMMENT ON COLUMN meta.discovery_verdict.source IS 'people: what they did on the ticket; sample: asked of a person by `tdx-dagster quality --sample`.';
COMMENT ON COLUMN meta.discovery_verdict.verdict IS 'unseen: nobody worked on the ticket afterwards; it counts neither for nor against.';
COMMENT ON COLUMN meta.discovery_verdict.acted_at IS 'When the action was done on the ticket.';

CREATE INDEX IF NOT EXISTS idx_discovery_verdict_acted ON meta.discovery_verdict (source, acted_at DESC);

CREATE TABLE IF NOT EXISTS meta.discovery_sweep (
    sweep varchar(20) PRIMARY KEY,
    until timestamptz NOT NULL
);

COMMENT ON TABLE meta.discovery_sweep IS 'Until which date of change tickets were searched for those that people are done with.';

CREATE TABLE IF NOT EXISTS meta.discovery_sample (
    ticket_id bigint      NOT NULL,
    asset_id  bigint      NOT NULL,
    drawn_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ticket_id, asset_id)
);

COMMENT ON TABLE meta.discovery_sample IS 'Computers drawn at random for a person to judge; judged ones have a verdict of the source sample.';
