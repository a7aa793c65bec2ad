-- Problems that people are told of: once when one begins, once when it has ended.

CREATE TABLE IF NOT EXISTS meta.alert (
    source   varchar(200) NOT NULL,
    problem  varchar(300) NOT NULL,
    text     text         NOT NULL,
    since    timestamptz  NOT NULL DEFAULT clock_timestamp(),
    sent_at  timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (source, problem)
);

COMMENT ON TABLE meta.alert IS 'Problems that are there, and those whose end was not sent yet.';
COMMENT ON COLUMN meta.alert.source IS 'Who has found it: a Dagster code location; another one does not end it.';
COMMENT ON COLUMN meta.alert.sent_at IS 'When people were told that it began; empty until that has succeeded.';
