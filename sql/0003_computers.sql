-- The typed, current inventory that discovery asks: one row an asset, keys folded to upper-case ASCII.

DO $$
BEGIN
    IF to_regclass('silver.computers') IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('silver.computers') AND attname = 'asset_id')
    THEN
        RAISE EXCEPTION 'silver.computers exists already and belongs to another project'
            USING HINT = 'Rename that table or its schema, or give tdx-dagster a database of its own (DATABASE_URL).';
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS silver.computers (
    asset_id              bigint PRIMARY KEY,
    app_id                integer,
    name                  text,
    serial_number         text,
    tag                   text,
    -- Folded for exact lookups; empty where the value is blank or a filler such as 'Default string'.
    name_key              text,
    serial_key            text,
    tag_key               text,
    form_id               integer,
    form_name             text,
    status_id             integer,
    status_name           text,
    is_active             boolean NOT NULL DEFAULT false,
    owner_uid             uuid,
    owner_name            text,
    configuration_item_id bigint,
    external_id           text,
    modified_at           timestamptz,
    quality_flags         text[] NOT NULL DEFAULT '{}',
    raw_id                uuid,
    ingested_at           timestamptz
);

CREATE INDEX IF NOT EXISTS idx_computers_name   ON silver.computers (name_key)   WHERE name_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_computers_serial ON silver.computers (serial_key) WHERE serial_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_computers_tag    ON silver.computers (tag_key)    WHERE tag_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_computers_owner  ON silver.computers (owner_uid)  WHERE owner_uid IS NOT NULL;
