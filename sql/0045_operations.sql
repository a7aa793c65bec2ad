-- What the pages of the group `operations` read: events by time, and the calls of a day beside each limit.

-- Events are appended in the order of time, so that a block range index of a few pages finds those of a month.
CREATE INDEX IF NOT EXISTS idx_action_attempt_at
    ON meta.action_attempt USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

ALTER TABLE meta.rate_window
    ADD COLUMN IF NOT EXISTS counted_on        date,
    ADD COLUMN IF NOT EXISTS counted_calls     bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS counted_waits     bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS counted_seconds   double precision NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS counted_penalties bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN meta.rate_window.counted_on IS 'The day, in UTC, to which the other counts belong.';
COMMENT ON COLUMN meta.rate_window.counted_calls IS 'Calls granted on that day.';
COMMENT ON COLUMN meta.rate_window.counted_waits IS 'Calls of that day that had to wait for the limit.';
COMMENT ON COLUMN meta.rate_window.counted_seconds IS 'Seconds that the calls of that day waited.';
COMMENT ON COLUMN meta.rate_window.counted_penalties IS 'Answers 429 of that day.';

-- As before, and counts the call and its wait.
CREATE OR REPLACE FUNCTION meta.rate_reserve(
    rate_key text, calls integer, rate_period double precision, max_wait double precision
) RETURNS double precision LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state    meta.rate_window;
    moment   timestamptz;
    granted  timestamptz;
    wait     double precision := 0;
    is_today boolean;
BEGIN
    INSERT INTO meta.rate_window (key, period, slots) VALUES (rate_key, rate_period, '{}') ON CONFLICT DO NOTHING;
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    -- Read after the row lock, so that whoever waited for it is not granted the past.
    moment := clock_timestamp();
    IF state.learned IS DISTINCT FROM 0 THEN
        state.slots := meta.rate_resize(state.slots, coalesce(state.learned, calls));
        state.period := coalesce(state.learned_period, rate_period);
        granted := greatest(moment, state.slots[1] + make_interval(secs => state.period));
        wait := extract(epoch FROM granted - moment);
        IF granted - moment > make_interval(secs => max_wait) THEN RETURN wait; END IF;
        state.slots := state.slots[2:] || granted;
    END IF;
    is_today := state.counted_on IS NOT DISTINCT FROM (moment AT TIME ZONE 'UTC')::date;
    UPDATE meta.rate_window
    SET period = state.period, slots = state.slots, counted_on = (moment AT TIME ZONE 'UTC')::date,
        counted_calls = CASE WHEN is_today THEN state.counted_calls ELSE 0 END + 1,
        counted_waits = CASE WHEN is_today THEN state.counted_waits ELSE 0 END + (wait > 0)::integer,
        counted_seconds = CASE WHEN is_today THEN state.counted_seconds ELSE 0 END + wait,
        counted_penalties = CASE WHEN is_today THEN state.counted_penalties ELSE 0 END
    WHERE key = rate_key;
    RETURN wait;
END $$;

-- As before, and counts the answer.
CREATE OR REPLACE FUNCTION meta.rate_penalise(rate_key text, wait double precision)
RETURNS void LANGUAGE sql SET lock_timeout = '10s' AS $$
    UPDATE meta.rate_window
    SET learned = coalesce(nullif(learned, 0), greatest(cardinality(slots), 1)),
        slots = meta.rate_hold(slots, cardinality(slots),
            clock_timestamp() + make_interval(secs => wait) - make_interval(secs => period)),
        counted_penalties = CASE WHEN is_today THEN counted_penalties ELSE 0 END + 1,
        counted_calls = CASE WHEN is_today THEN counted_calls ELSE 0 END,
        counted_waits = CASE WHEN is_today THEN counted_waits ELSE 0 END,
        counted_seconds = CASE WHEN is_today THEN counted_seconds ELSE 0 END,
        counted_on = today
    FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date) AS day (today),
         LATERAL (SELECT one.counted_on IS NOT DISTINCT FROM today
                  FROM meta.rate_window AS one WHERE one.key = rate_key) AS counted (is_today)
    WHERE key = rate_key
$$;
