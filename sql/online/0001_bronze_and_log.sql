-- Runs in place of the file of this name, with the same result: the index of a bronze that others fill is built
-- while they go on writing.

-- name: tables
-- The tables people already have; nothing here changes a row.
DO $$
BEGIN
    IF to_regnamespace('meta') IS NULL THEN CREATE SCHEMA meta; END IF;
    IF to_regnamespace('bronze') IS NULL THEN CREATE SCHEMA bronze; END IF;
    IF to_regnamespace('silver') IS NULL THEN CREATE SCHEMA silver; END IF;
END $$;

CREATE TABLE IF NOT EXISTS meta.ingestion_runs (
    run_id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_system     varchar(50) NOT NULL,
    entity_type       varchar(50) NOT NULL,
    started_at        timestamptz DEFAULT CURRENT_TIMESTAMP,
    completed_at      timestamptz,
    status            varchar(20) DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    records_processed integer DEFAULT 0,
    records_created   integer DEFAULT 0,
    records_updated   integer DEFAULT 0,
    error_message     text,
    metadata          jsonb DEFAULT '{}'::jsonb
);

CREATE TABLE IF NOT EXISTS bronze.raw_entities (
    raw_id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type        varchar(50) NOT NULL,
    source_system      varchar(50) NOT NULL,
    external_id        varchar(255) NOT NULL,
    raw_data           jsonb NOT NULL,
    ingested_at        timestamptz DEFAULT CURRENT_TIMESTAMP,
    ingestion_run_id   uuid REFERENCES meta.ingestion_runs (run_id),
    -- Names the entity, not its content: people's queries join on it.
    entity_hash        varchar(64) GENERATED ALWAYS AS (
        encode(sha256((entity_type || '|' || source_system || '|' || external_id)::bytea), 'hex')
    ) STORED,
    ingestion_metadata jsonb DEFAULT '{}'::jsonb
);

CREATE TABLE IF NOT EXISTS meta.daemon_action_log (
    log_id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ticket_id     bigint NOT NULL,
    action_type   varchar(100) NOT NULL,
    action_id     varchar(255) NOT NULL,
    action_hash   varchar(64),
    executed_at   timestamptz DEFAULT CURRENT_TIMESTAMP,
    status        varchar(20) NOT NULL DEFAULT 'completed',
    error_message text,
    metadata      jsonb DEFAULT '{}'::jsonb,
    CONSTRAINT unique_ticket_action UNIQUE (ticket_id, action_id)
);

-- name: recent_loads
-- The newest load of a kind.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_ingestion_runs_recent
    ON meta.ingestion_runs (source_system, entity_type, started_at DESC);

-- name: latest_versions
-- The newest version of each entity.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_raw_entities_latest
    ON bronze.raw_entities (source_system, entity_type, external_id, ingested_at DESC, raw_id);

-- name: statistics
-- Without them the first lookups after an upgrade read whole tables.
ANALYZE bronze.raw_entities;
