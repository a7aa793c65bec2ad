"""Every error this package raises, sorted by what to do next.

`DatabaseUnavailable`: try again later. `DatabaseSettingError`: a person mends a setting, a
permission or an installation first. The kinds of the latter that concern the schema are named.
Texts never hold a password.
"""


class DatabaseError(Exception):
    """Something went wrong with PostgreSQL."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or cannot answer now; the same call may work later."""


class DatabaseSettingError(DatabaseError):
    """No call will work until a person mends a setting, a permission or an installation."""


class MigrationRefused(DatabaseSettingError):
    """The schema cannot be brought up to date; nothing of the refused migration remains."""


class MigrationEdited(MigrationRefused):
    """A migration file was changed after it had been applied."""


class SchemaNewer(MigrationRefused):
    """The database has migrations that this version of tdx-dagster does not know."""
