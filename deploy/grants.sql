-- Rights for three kinds of users, as roles without a login. Applied by `tdx-dagster migrate --grants` as the
-- owner of the tables (with CREATEROLE the first time), and again after each upgrade that adds tables.
-- The administrator then gives a login its role:  GRANT tdx_runner TO app;
--   tdx_viewer  reads everything (stats, history, failed, plan)
--   tdx_runner  works through tickets: reads the inventory, writes the action log and the rate limit
--   tdx_loader  loads the inventory: writes bronze, silver.tdx_computers and the log of loads
-- Dagster's own database is another one; its user needs CREATE on that database's schema.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tdx_viewer', 'tdx_runner', 'tdx_loader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), wanted);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA meta, bronze, silver TO tdx_viewer, tdx_runner, tdx_loader;
GRANT SELECT ON ALL TABLES IN SCHEMA meta, bronze, silver TO tdx_viewer, tdx_runner, tdx_loader;
GRANT SELECT ON public.schema_migrations TO tdx_viewer, tdx_runner, tdx_loader;

GRANT INSERT, UPDATE ON meta.daemon_action_log TO tdx_runner;
GRANT INSERT ON meta.action_attempt TO tdx_runner;
GRANT INSERT, UPDATE, DELETE ON meta.unfinished_ticket TO tdx_runner;
GRANT INSERT, UPDATE, DELETE ON meta.discovery_ticket, meta.discovery_verdict, meta.discovery_sweep,
    meta.discovery_sample TO tdx_runner;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON meta.backtest_ticket, meta.backtest_search TO tdx_runner;
GRANT INSERT ON meta.tdx_environment TO tdx_runner, tdx_loader;
GRANT INSERT, UPDATE ON meta.ingestion_runs, bronze.raw_entities TO tdx_loader;
GRANT INSERT, UPDATE, DELETE ON silver.tdx_computers TO tdx_loader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA meta TO tdx_runner, tdx_loader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA bronze, silver TO tdx_loader;

-- What the processes of an installation share; a table that a version does not have is left out.
DO $$
DECLARE
    shared text;
BEGIN
    FOREACH shared IN ARRAY ARRAY['meta.rate_window', 'meta.unfinished_ticket'] LOOP
        IF to_regclass(shared) IS NOT NULL THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO tdx_runner, tdx_loader', shared);
        END IF;
    END LOOP;
END $$;
