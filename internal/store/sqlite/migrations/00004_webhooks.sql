-- +goose Up
-- Times are microseconds since 1970. A webhook's secrets are kept as they are, since they sign.
CREATE TABLE webhooks (
    tenant         TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    url            TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    secret         TEXT    NOT NULL,
    previous       TEXT,             -- NULL is none
    previous_until INTEGER CHECK ((previous_until IS NULL) = (previous IS NULL))
) STRICT;

-- What a webhook's receiver has not been told yet. It goes with the webhook.
CREATE TABLE deliveries (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES webhooks (tenant) ON DELETE CASCADE,
    body       BLOB    NOT NULL, -- JSON
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL, -- when it is to be tried next
    attempts   INTEGER NOT NULL  -- that failed
) STRICT;

CREATE INDEX deliveries_by_tenant ON deliveries (tenant, due_at, id);
