-- TDX's token, shared by the processes of an installation until it runs out: each run would sign in otherwise.
-- It is sealed with a key made of the credentials, so that the database alone is of no use.

CREATE TABLE IF NOT EXISTS meta.shared_token (
    -- Made of the address and the credentials, and tells neither.
    name       text PRIMARY KEY,
    sealed     text NOT NULL,
    good_until timestamptz NOT NULL
);

COMMENT ON TABLE meta.shared_token IS 'Sealed sign-in tokens; may be emptied at any time, which costs a sign-in.';
