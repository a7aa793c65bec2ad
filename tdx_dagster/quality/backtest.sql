-- name: is_searched
-- Whether tickets were searched from a date on, up to a recent one.
SELECT EXISTS (SELECT 1 FROM meta.backtest_search WHERE since <= :since AND until >= :until) AS found;

-- name: searched
-- Note which dates were searched.
INSERT INTO meta.backtest_search (since, until) VALUES (:since, :until);

-- name: add_found
-- Note tickets that a search has found; one that was changed since it was read is read again.
INSERT INTO meta.backtest_ticket (ticket_id, modified_at)
SELECT * FROM unnest(CAST(:ticket_ids AS bigint[]), CAST(:modified AS timestamptz[]))
ON CONFLICT (ticket_id) DO UPDATE SET
    modified_at = EXCLUDED.modified_at, read_at = NULL, ticket = NULL, feed = NULL
WHERE backtest_ticket.modified_at <> EXCLUDED.modified_at;

-- name: chosen
-- Tickets changed since a date, the latest first.
SELECT ticket_id, read_at IS NOT NULL AS is_read,
       EXISTS (SELECT 1 FROM meta.daemon_action_log AS log
               WHERE log.ticket_id = backtest_ticket.ticket_id AND log.action_type = 'add_asset') AS is_acted
FROM meta.backtest_ticket
WHERE modified_at >= :since ORDER BY modified_at DESC, ticket_id DESC LIMIT :most;

-- name: add_read
-- Keep a ticket with its feed; without the ticket where nobody has linked a computer, without both where TDX shows none.
UPDATE meta.backtest_ticket SET
    read_at = clock_timestamp(), ticket = CAST(:ticket AS jsonb), feed = CAST(:feed AS jsonb)
WHERE ticket_id = :ticket_id;

-- name: read
-- Tickets with their feeds.
SELECT ticket_id, ticket, feed FROM meta.backtest_ticket
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND feed IS NOT NULL;

-- name: used
-- How many calls some tickets have cost: the feed, the ticket, and each entry whose replies were read.
SELECT count(*) AS tickets,
       COALESCE(sum(1 + CASE WHEN ticket IS NULL THEN 0 ELSE 1 END + COALESCE((
           SELECT count(*) FROM jsonb_array_elements(feed) AS entry
           WHERE jsonb_array_length(entry -> 'replies') > 0), 0)), 0) AS calls
FROM meta.backtest_ticket
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND read_at IS NOT NULL;

-- name: lacking
-- Tickets with replies that were not read, the latest first.
SELECT ticket_id FROM meta.backtest_ticket
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND ticket IS NOT NULL AND EXISTS (
    SELECT 1 FROM jsonb_array_elements(feed) AS entry
    WHERE CAST(entry ->> 'replies_count' AS integer) > 0 AND jsonb_array_length(entry -> 'replies') = 0)
ORDER BY modified_at DESC, ticket_id DESC;

-- name: unlinked
-- Tickets of which the feed alone was read, since nobody has linked a computer; the latest first.
SELECT ticket_id, feed FROM meta.backtest_ticket
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND ticket IS NULL AND feed IS NOT NULL
ORDER BY modified_at DESC, ticket_id DESC LIMIT :most;

-- name: own_posts
-- Feed entries that the robot has posted on some tickets.
SELECT DISTINCT ticket_id, CAST(detail ->> 'feed_id' AS bigint) AS entry_id
FROM meta.action_attempt
WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND jsonb_typeof(detail -> 'feed_id') = 'number';

-- name: forget
-- Remove all that was read.
TRUNCATE meta.backtest_ticket, meta.backtest_search;
