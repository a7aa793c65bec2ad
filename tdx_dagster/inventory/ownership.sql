-- Who fills bronze. Every row and run of ours says so in its metadata.

-- name: foreign_rows
-- One row of a kind we load that another loader has stored.
SELECT entity_type, external_id, ingested_at FROM bronze.raw_entities
WHERE source_system = :source_system AND entity_type = ANY (CAST(:entity_types AS text[]))
  AND ingestion_metadata ->> 'content_hash' IS NULL
LIMIT 1;

-- name: foreign_runs
-- One run of a kind we load that another loader has recorded: its watermark.
SELECT entity_type, started_at FROM meta.ingestion_runs
WHERE source_system = :source_system AND entity_type = ANY (CAST(:entity_types AS text[]))
  AND metadata ->> 'loader' IS DISTINCT FROM 'tdx-dagster'
LIMIT 1;
