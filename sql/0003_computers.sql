-- The typed, current inventory that discovery asks: one row an asset, keys folded to upper-case ASCII.
-- The table says whose it is, since a hub that feeds the same database has a silver.computers of its own.

CREATE TABLE silver.tdx_computers (
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
    -- 'in service' or 'out of service' as the list of statuses says; empty where it does not say.
    status_class          text,
    is_active             boolean NOT NULL DEFAULT false,
    owner_uid             uuid,
    owner_name            text,
    owner_email           text,
    configuration_item_id bigint,
    external_id           text,
    modified_at           timestamptz,
    quality_flags         text[] NOT NULL DEFAULT '{}',
    raw_id                uuid,
    ingested_at           timestamptz
);

CREATE INDEX idx_tdx_computers_name   ON silver.tdx_computers (name_key)   WHERE name_key IS NOT NULL;
CREATE INDEX idx_tdx_computers_serial ON silver.tdx_computers (serial_key) WHERE serial_key IS NOT NULL;
CREATE INDEX idx_tdx_computers_tag    ON silver.tdx_computers (tag_key)    WHERE tag_key IS NOT NULL;
CREATE INDEX idx_tdx_computers_owner  ON silver.tdx_computers (owner_uid)  WHERE owner_uid IS NOT NULL;

-- The name people expect, where nobody else has it. It can be written through.
DO $$
BEGIN
    IF to_regclass('silver.computers') IS NULL THEN
        CREATE VIEW silver.computers AS SELECT * FROM silver.tdx_computers;
    END IF;
END $$;
