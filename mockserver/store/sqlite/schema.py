"""The tables of the SQLite store."""

VERSION = 5
"""Version of the tables; a file with another version is refused."""
SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (offset REAL NOT NULL, plan INTEGER NOT NULL, processes INTEGER NOT NULL);
INSERT INTO shared SELECT 0.0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM shared);
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, left INTEGER, fault BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    provider TEXT NOT NULL, key TEXT NOT NULL, currency TEXT NOT NULL, balance INTEGER NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0, requests_per_minute INTEGER,
    UNIQUE (provider, key)
);
CREATE TABLE IF NOT EXISTS holds (
    request_id TEXT PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, until REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    key TEXT NOT NULL, images INTEGER NOT NULL, unit_price INTEGER, currency TEXT NOT NULL, amount INTEGER NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS hits (provider TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS hits_of ON hits (provider, key, at);
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, length INTEGER NOT NULL, file INTEGER NOT NULL, start INTEGER NOT NULL,
    size INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fetches (
    seq INTEGER PRIMARY KEY, path TEXT NOT NULL, is_expired INTEGER NOT NULL, UNIQUE (path, is_expired)
);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, key TEXT NOT NULL, ends REAL NOT NULL, settled INTEGER NOT NULL,
    task BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (ends) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, task_id TEXT NOT NULL, key TEXT NOT NULL, due REAL NOT NULL, state TEXT NOT NULL,
    lease REAL NOT NULL, delivery BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due) WHERE state IN ('waiting', 'held');
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (task_id);
CREATE TABLE IF NOT EXISTS kept (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_data (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
