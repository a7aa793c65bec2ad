-- Closed tickets as `tdx-dagster backtest` has read them, so that a second configuration asks TDX nothing.

CREATE TABLE IF NOT EXISTS meta.backtest_ticket (
    ticket_id   bigint      PRIMARY KEY,
    modified_at timestamptz NOT NULL,
    read_at     timestamptz,
    ticket      jsonb,
    feed        jsonb
);

COMMENT ON TABLE meta.backtest_ticket IS 'Texts of closed tickets, personal data among them; `tdx-dagster backtest --forget` empties it. read_at without a ticket: TDX does not show it.';

CREATE INDEX IF NOT EXISTS idx_backtest_ticket_modified ON meta.backtest_ticket (modified_at DESC);

CREATE TABLE IF NOT EXISTS meta.backtest_search (
    since timestamptz NOT NULL,
    until timestamptz NOT NULL
);

COMMENT ON TABLE meta.backtest_search IS 'Which dates of change were searched for closed tickets.';
