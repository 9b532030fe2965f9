-- +goose Up
-- Times are microseconds since 1970.
CREATE TABLE tenants (
    id         TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    suspended  INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    keep_data  INTEGER NOT NULL CHECK (keep_data IN (0, 1)),
    quota      TEXT    NOT NULL -- JSON
) STRICT;

CREATE TABLE keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL, -- separated by spaces
    created_at INTEGER NOT NULL,
    expires_at INTEGER,          -- NULL is never
    revoked_at INTEGER,          -- NULL is not
    digest     BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE INDEX keys_by_tenant ON keys (tenant, created_at);
