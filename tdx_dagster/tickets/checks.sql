-- What is asked to judge a pipeline's tickets.

-- name: stuck_tickets
-- Tickets with an action that failed and that nobody has reset for a while.
SELECT count(DISTINCT ticket_id) AS tickets, min(ticket_id) AS example FROM meta.daemon_action_log
WHERE status = 'failed' AND executed_at < clock_timestamp() - CAST(:stuck_after AS interval)
  AND (CAST(:pipeline AS text) IS NULL OR pipeline = CAST(:pipeline AS text));
