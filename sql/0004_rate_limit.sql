-- One rate limiter for every process and machine of an installation: the last grants of each key in one row.

CREATE TABLE IF NOT EXISTS meta.rate_window (
    key     text PRIMARY KEY,
    -- Seconds, as the callers say or as learned.
    period  double precision NOT NULL,
    -- Oldest first, one for each call allowed in a period.
    slots   timestamptz[] NOT NULL,
    -- Calls in a period as the API's own headers say; null where nothing is known yet, 0 where it sets no limit.
    learned integer,
    -- Seconds; null where the callers are right.
    learned_period double precision
) WITH (fillfactor = 50);

-- Cuts or pads the slots to as many as calls are allowed: the newest grants count.
CREATE OR REPLACE FUNCTION meta.rate_resize(slots timestamptz[], calls integer)
RETURNS timestamptz[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_fill('-infinity'::timestamptz, ARRAY[greatest(calls - cardinality(slots), 0)])
        || slots[greatest(cardinality(slots) - calls, 0) + 1:]
$$;

-- Lets the oldest slots become free at a given moment at the earliest.
CREATE OR REPLACE FUNCTION meta.rate_hold(slots timestamptz[], oldest integer, freed timestamptz)
RETURNS timestamptz[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(held ORDER BY held), '{}')
    FROM unnest(slots) WITH ORDINALITY AS slot (granted, place),
         LATERAL (SELECT CASE WHEN place <= oldest THEN greatest(granted, freed) ELSE granted END) AS one (held)
$$;

-- Reserves the next free slot of a key and says how many seconds to wait before using it; where that is
-- longer than max_wait, nothing is reserved.
CREATE OR REPLACE FUNCTION meta.rate_reserve(
    rate_key text, calls integer, rate_period double precision, max_wait double precision
) RETURNS double precision LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state   meta.rate_window;
    moment  timestamptz;
    granted timestamptz;
BEGIN
    INSERT INTO meta.rate_window (key, period, slots) VALUES (rate_key, rate_period, '{}') ON CONFLICT DO NOTHING;
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    IF state.learned = 0 THEN RETURN 0; END IF;
    state.slots := meta.rate_resize(state.slots, coalesce(state.learned, calls));
    -- Read after the row lock, so that whoever waited for it is not granted the past.
    moment := clock_timestamp();
    state.period := coalesce(state.learned_period, rate_period);
    granted := greatest(moment, state.slots[1] + make_interval(secs => state.period));
    IF granted - moment <= make_interval(secs => max_wait) THEN
        UPDATE meta.rate_window SET period = state.period, slots = state.slots[2:] || granted WHERE key = rate_key;
    END IF;
    RETURN extract(epoch FROM granted - moment);
END $$;

-- Takes over what the headers of an answer say: the limit (0: none), and calls that others made in this window.
CREATE OR REPLACE FUNCTION meta.rate_learn(
    rate_key text, calls integer, remaining integer, reset_in double precision,
    news double precision, shortest double precision, longest double precision
) RETURNS void LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state  meta.rate_window;
    moment timestamptz;
    width  interval;
    others integer := 0;
BEGIN
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    IF NOT FOUND OR calls = 0 THEN
        -- A method once known to be limited stays so, whatever a proxy does to its headers.
        UPDATE meta.rate_window SET learned = 0 WHERE key = rate_key AND learned IS NULL;
        RETURN;
    END IF;
    state.slots := meta.rate_resize(state.slots, calls);
    moment := clock_timestamp();
    -- At the first call of a window its end shows its length.
    IF remaining = calls - 1 AND reset_in BETWEEN shortest AND longest AND abs(reset_in - state.period) > news THEN
        state.learned_period := reset_in;
        state.period := reset_in;
    END IF;
    width := make_interval(secs => state.period);
    IF remaining IS NOT NULL AND reset_in IS NOT NULL THEN
        others := calls - remaining - (SELECT count(*) FROM unnest(state.slots) AS granted WHERE granted > moment - width);
        state.slots := meta.rate_hold(state.slots, others,
            moment + least(make_interval(secs => greatest(reset_in, 0)), width) - width);
    END IF;
    UPDATE meta.rate_window
    SET learned = calls, slots = state.slots, period = state.period, learned_period = state.learned_period
    WHERE key = rate_key;
END $$;

-- After a 429: nobody calls before the wait is over.
CREATE OR REPLACE FUNCTION meta.rate_penalise(rate_key text, wait double precision)
RETURNS void LANGUAGE sql SET lock_timeout = '10s' AS $$
    UPDATE meta.rate_window
    SET learned = coalesce(nullif(learned, 0), greatest(cardinality(slots), 1)),
        slots = meta.rate_hold(slots, cardinality(slots),
            clock_timestamp() + make_interval(secs => wait) - make_interval(secs => period))
    WHERE key = rate_key
$$;
