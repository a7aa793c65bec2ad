-- What discovery asks of the inventory. Keys are folded as `inventory/keys.py` folds them.

-- name: find_computers
-- Computers whose name, serial number or tag equals one of many keys, over the key indexes.
SELECT wanted.key, c.asset_id, c.name, c.serial_number, c.tag, c.status_id, c.status_name, c.is_active,
       c.form_id, c.owner_uid, c.matched_field,
       'gone' = ANY (c.quality_flags) AS is_gone
FROM unnest(CAST(:keys AS text[])) AS wanted (key)
CROSS JOIN LATERAL (
    SELECT 1 AS rank, 'name' AS matched_field, n.* FROM silver.tdx_computers AS n WHERE n.name_key = wanted.key
    UNION ALL
    SELECT 2, 'serial number', s.* FROM silver.tdx_computers AS s WHERE s.serial_key = wanted.key
    UNION ALL
    SELECT 3, 'tag', t.* FROM silver.tdx_computers AS t WHERE t.tag_key = wanted.key
    UNION ALL
    -- Stored as a full domain name, called by its first label (index computers_by_host).
    SELECT 4, 'name', h.* FROM silver.tdx_computers AS h
    WHERE h.name_key ~ '^[A-Z0-9_-]*[A-Z][A-Z0-9_-]*([.][A-Z][A-Z0-9-]*)+$'
      AND split_part(h.name_key, '.', 1) = wanted.key
) AS c
WHERE (c.is_active OR NOT CAST(:active_only AS boolean))
  AND (CAST(:form_id AS integer) IS NULL OR c.form_id = CAST(:form_id AS integer))
ORDER BY wanted.key, c.asset_id, c.rank;

-- name: computers_owned_by
-- Computers that people own.
SELECT CAST(c.owner_uid AS text) AS key, c.asset_id, c.name, c.serial_number, c.tag, c.status_id,
       c.status_name, c.is_active, c.form_id, c.owner_uid, 'owner' AS matched_field,
       'gone' = ANY (c.quality_flags) AS is_gone
FROM silver.tdx_computers AS c
WHERE c.owner_uid = ANY(CAST(:uids AS uuid[]))
  AND (c.is_active OR NOT CAST(:active_only AS boolean))
  AND (CAST(:form_id AS integer) IS NULL OR c.form_id = CAST(:form_id AS integer))
ORDER BY c.owner_uid, c.asset_id;

-- name: is_empty
-- Whether no computer is known at all.
SELECT NOT EXISTS (SELECT FROM silver.tdx_computers);

-- name: latest_statuses
-- The statuses that assets may have.
SELECT f.* FROM (
    SELECT DISTINCT ON (external_id) raw_data, ingestion_metadata FROM bronze.raw_entities
    WHERE source_system = :source_system AND entity_type = :entity_type
    ORDER BY external_id, ingested_at DESC, raw_id
) AS latest
CROSS JOIN LATERAL jsonb_to_record(
    CASE jsonb_typeof(raw_data) WHEN 'object' THEN raw_data ELSE '{}' END
) AS f ("ID" text, "Name" text, "IsActive" text, "IsOutOfService" text)
WHERE ingestion_metadata ->> 'gone' IS NULL;
