"""The same conversation with PostgreSQL and with the pooler, compared."""
