-- The tables of an installation that ran the older daemon beside a data hub, with rows of every kind.
-- Not every build of PostgreSQL brings the extension; the old defaults only need its name.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION "uuid-ossp";
    ELSE
        CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
    END IF;
END $$;
CREATE SCHEMA bronze;
CREATE SCHEMA silver;
CREATE SCHEMA meta;

CREATE TABLE meta.ingestion_runs (
    run_id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    source_system varchar(50) NOT NULL,
    entity_type varchar(50) NOT NULL,
    started_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    completed_at timestamptz,
    status varchar(20) DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    records_processed integer DEFAULT 0,
    records_created integer DEFAULT 0,
    records_updated integer DEFAULT 0,
    error_message text,
    metadata jsonb DEFAULT '{}'::jsonb
);
CREATE INDEX idx_ingestion_runs_recent ON meta.ingestion_runs (source_system, entity_type, started_at DESC);

CREATE TABLE bronze.raw_entities (
    raw_id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    entity_type varchar(50) NOT NULL,
    source_system varchar(50) NOT NULL,
    external_id varchar(255) NOT NULL,
    raw_data jsonb NOT NULL,
    ingested_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    ingestion_run_id uuid REFERENCES meta.ingestion_runs (run_id),
    entity_hash varchar(64) GENERATED ALWAYS AS (
        encode(sha256((entity_type || '|' || source_system || '|' || external_id)::bytea), 'hex')) STORED,
    ingestion_metadata jsonb DEFAULT '{}'::jsonb
);
CREATE INDEX idx_bronze_entity_lookup ON bronze.raw_entities (entity_type, source_system, external_id);

CREATE TABLE meta.daemon_action_log (
    log_id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    ticket_id integer NOT NULL,
    action_type varchar(100) NOT NULL,
    action_id varchar(255) NOT NULL,
    action_hash varchar(64),
    executed_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    status varchar(20) NOT NULL DEFAULT 'completed',
    error_message text,
    metadata jsonb DEFAULT '{}'::jsonb,
    CONSTRAINT unique_ticket_action UNIQUE (ticket_id, action_id)
);
CREATE INDEX idx_daemon_log_ticket ON meta.daemon_action_log (ticket_id);
CREATE INDEX idx_daemon_log_executed_at ON meta.daemon_action_log (executed_at DESC);
CREATE INDEX idx_daemon_log_ticket_status ON meta.daemon_action_log (ticket_id, status);

CREATE VIEW meta.daemon_activity_summary AS
SELECT action_type, status, COUNT(*) AS action_count, MAX(executed_at) AS last_executed,
       MIN(executed_at) AS first_executed
FROM meta.daemon_action_log GROUP BY action_type, status ORDER BY action_type, status;
CREATE VIEW meta.daemon_recent_activity AS
SELECT log_id, ticket_id, action_type, action_id, status, executed_at, error_message
FROM meta.daemon_action_log
WHERE executed_at >= CURRENT_TIMESTAMP - INTERVAL '24 hours' ORDER BY executed_at DESC;
COMMENT ON VIEW meta.daemon_recent_activity IS 'What people wrote on it';

-- The hub's own inventory has the name that ours would like to have.
CREATE TABLE silver.computers (
    computer_id varchar(100) PRIMARY KEY,
    computer_name varchar(255) NOT NULL,
    tdx_asset_id integer
);

INSERT INTO meta.ingestion_runs (source_system, entity_type, status, completed_at, error_message) VALUES
    ('tdx', 'asset', 'completed', CURRENT_TIMESTAMP, NULL),
    ('tdx', 'asset', 'failed', CURRENT_TIMESTAMP, 'connection lost'),
    ('tdx', 'asset', 'running', NULL, NULL);
INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingestion_run_id)
SELECT 'asset', 'tdx', number::text, jsonb_build_object('ID', number, 'Name', 'LIB-PC-' || number, 'Note', 'été'),
       (SELECT run_id FROM meta.ingestion_runs WHERE status = 'completed')
FROM generate_series(1001, 1050) AS number, generate_series(1, 2);
INSERT INTO meta.daemon_action_log
    (ticket_id, action_type, action_id, action_hash, executed_at, status, error_message, metadata) VALUES
    (31, 'comment', 'comment:054200481667:v1', repeat('a', 64), CURRENT_TIMESTAMP, 'completed', NULL, '{"dry_run": false}'),
    (31, 'add_asset', 'add_asset:0123456789ab:v2', NULL, CURRENT_TIMESTAMP - INTERVAL '3 days', 'completed', NULL, NULL),
    (32, 'comment', 'comment:054200481667:v1', NULL, NULL, 'failed', 'time-out', '{}'),
    (2147483647, 'summary_comment', 'summary_comment:0123456789ab:v1', NULL, CURRENT_TIMESTAMP, 'skipped', NULL, '{}');
INSERT INTO silver.computers VALUES ('lib-pc-1001', 'LIB-PC-1001', 1001);
