#!/bin/sh
# Run by the PostgreSQL image at its first start: one database and one role per service.
set -eu
for service in marketing inside_sales field_sales customer_success kpi; do
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" -v role="themodel_$service" -v password="$THEMODEL_DB_PASSWORD" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE CONNECT, TEMPORARY ON DATABASE :"role" FROM PUBLIC;
SQL
done
