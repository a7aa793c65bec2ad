-- From the latest versions in bronze to the table that discovery asks.

-- name: latest_assets
-- The latest version of each asset, its fields as text.
SELECT e.external_id, CAST(e.raw_id AS text) AS raw_id, e.ingested_at,
       e.ingestion_metadata ->> 'gone' IS NOT NULL AS is_gone,
       -- With the zone that was known when it was loaded.
       e.ingestion_metadata ->> 'modified_at' AS modified_at, f.*
FROM (
    SELECT DISTINCT ON (external_id) raw_id FROM bronze.raw_entities
    WHERE source_system = :source_system AND entity_type = ANY (CAST(:entity_types AS text[]))
    ORDER BY external_id, ingested_at DESC, raw_id
) AS latest
JOIN bronze.raw_entities AS e USING (raw_id)
CROSS JOIN LATERAL jsonb_to_record(
    CASE jsonb_typeof(e.raw_data) WHEN 'object' THEN e.raw_data ELSE '{}' END
) AS f ("ID" text, "AppID" text, "Name" text, "SerialNumber" text, "Tag" text, "FormID" text, "FormName" text,
        "StatusID" text, "StatusName" text, "OwningCustomerID" text, "OwningCustomerName" text,
        "ConfigurationItemID" text, "ExternalID" text, "ModifiedDate" text);

-- name: latest_people
-- What is known of people, by UID.
SELECT lower(f."UID") AS uid, f."PrimaryEmail" AS email FROM (
    SELECT DISTINCT ON (external_id) raw_data FROM bronze.raw_entities
    WHERE source_system = :source_system AND entity_type = :entity_type
    ORDER BY external_id, ingested_at DESC, raw_id
) AS latest
CROSS JOIN LATERAL jsonb_to_record(
    CASE jsonb_typeof(raw_data) WHEN 'object' THEN raw_data ELSE '{}' END
) AS f ("UID" text, "PrimaryEmail" text);

-- name: one_rebuild
-- Rebuilds wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('tdx-dagster: rebuild silver.tdx_computers', 0));

-- name: make_staging
-- The new table, which nobody else sees.
CREATE TEMPORARY TABLE rebuilt (LIKE silver.tdx_computers INCLUDING DEFAULTS) ON COMMIT DROP;

-- name: index_staging
-- For the comparison with the old table.
ALTER TABLE rebuilt ADD PRIMARY KEY (asset_id);

-- name: remove
-- Computers that are no longer made.
DELETE FROM silver.tdx_computers AS old
WHERE NOT EXISTS (SELECT FROM rebuilt WHERE rebuilt.asset_id = old.asset_id);

-- name: merge
-- New computers and changed ones; the others are not written.
INSERT INTO silver.tdx_computers AS old SELECT * FROM rebuilt
ON CONFLICT (asset_id) DO UPDATE SET
    (app_id, name, serial_number, tag, name_key, serial_key, tag_key, form_id, form_name, status_id, status_name,
     status_class, is_active, owner_uid, owner_name, owner_email, configuration_item_id, external_id, modified_at,
     quality_flags, raw_id, ingested_at)
    = (excluded.app_id, excluded.name, excluded.serial_number, excluded.tag, excluded.name_key, excluded.serial_key,
     excluded.tag_key, excluded.form_id, excluded.form_name, excluded.status_id, excluded.status_name,
     excluded.status_class, excluded.is_active, excluded.owner_uid, excluded.owner_name, excluded.owner_email,
     excluded.configuration_item_id, excluded.external_id, excluded.modified_at, excluded.quality_flags,
     excluded.raw_id, excluded.ingested_at)
WHERE old IS DISTINCT FROM excluded;

-- name: record
-- Records the rebuild.
INSERT INTO meta.ingestion_runs (source_system, entity_type, completed_at, status, records_processed, records_updated, metadata)
VALUES (:source_system, :entity_type, clock_timestamp(), 'completed', :processed, :rows, CAST(:metadata AS jsonb));

-- name: analyze
-- Lookups by key need statistics after a bulk change.
ANALYZE silver.tdx_computers;

-- name: count
-- How many computers there were.
SELECT count(*) FROM silver.tdx_computers;
