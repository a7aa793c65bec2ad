-- What the pages of the group `operations` read: events by time, and the calls of a day beside each limit.

-- Events are appended in the order of time, so that a block range index of a few pages finds those of a month.
CREATE INDEX IF NOT EXISTS idx_action_attempt_at
    ON meta.action_attempt USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

ALTER TABLE meta.rate_window
    ADD COLUMN IF NOT EXISTS counted_on date,
    ADD COLUMN IF NOT EXISTS calls      bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waits      bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waited     double precision NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS penalties  bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN meta.rate_window.counted_on IS 'The day, in UTC, to which calls, waits, waited and penalties belong.';
COMMENT ON COLUMN meta.rate_window.calls IS 'Calls granted on that day.';
COMMENT ON COLUMN meta.rate_window.waits IS 'Calls of that day that had to wait for the limit.';
COMMENT ON COLUMN meta.rate_window.waited IS 'Seconds that the calls of that day waited.';
COMMENT ON COLUMN meta.rate_window.penalties IS 'Answers 429 of that day.';

-- Adds to the counts of today; a new day begins at 0.
CREATE OR REPLACE FUNCTION meta.rate_count(state meta.rate_window, granted integer, wait double precision, refused integer)
RETURNS meta.rate_window LANGUAGE plpgsql AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    IF state.counted_on IS DISTINCT FROM today THEN
        state.counted_on := today;
        state.calls := 0;
        state.waits := 0;
        state.waited := 0;
        state.penalties := 0;
    END IF;
    state.calls := state.calls + granted;
    -- A wait shorter than this is the rounding of clocks.
    IF wait > 0.01 THEN
        state.waits := state.waits + 1;
        state.waited := state.waited + wait;
    END IF;
    state.penalties := state.penalties + refused;
    RETURN state;
END $$;

CREATE OR REPLACE FUNCTION meta.rate_reserve(
    rate_key text, calls integer, rate_period double precision, max_wait double precision
) RETURNS double precision LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state   meta.rate_window;
    moment  timestamptz;
    granted timestamptz;
    wait    double precision := 0;
BEGIN
    INSERT INTO meta.rate_window (key, period, slots) VALUES (rate_key, rate_period, '{}') ON CONFLICT DO NOTHING;
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    IF state.learned IS DISTINCT FROM 0 THEN
        state.slots := meta.rate_resize(state.slots, coalesce(state.learned, calls));
        -- Read after the row lock, so that whoever waited for it is not granted the past.
        moment := clock_timestamp();
        state.period := coalesce(state.learned_period, rate_period);
        granted := greatest(moment, state.slots[1] + make_interval(secs => state.period));
        wait := extract(epoch FROM granted - moment);
        IF wait > max_wait THEN RETURN wait; END IF;
        state.slots := state.slots[2:] || granted;
    END IF;
    state := meta.rate_count(state, 1, wait, 0);
    UPDATE meta.rate_window AS held
    SET period = state.period, slots = state.slots, counted_on = state.counted_on, calls = state.calls,
        waits = state.waits, waited = state.waited
    WHERE held.key = rate_key;
    RETURN wait;
END $$;

CREATE OR REPLACE FUNCTION meta.rate_penalise(rate_key text, wait double precision)
RETURNS void LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    state meta.rate_window;
BEGIN
    SELECT * INTO state FROM meta.rate_window WHERE key = rate_key FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    state := meta.rate_count(state, 0, 0, 1);
    UPDATE meta.rate_window AS held
    SET learned = coalesce(nullif(state.learned, 0), greatest(cardinality(state.slots), 1)),
        slots = meta.rate_hold(state.slots, cardinality(state.slots),
            clock_timestamp() + make_interval(secs => wait) - make_interval(secs => state.period)),
        counted_on = state.counted_on, calls = state.calls, waits = state.waits, waited = state.waited,
        penalties = state.penalties
    WHERE held.key = rate_key;
END $$;
