#pragma once

#include "components/clients/postgres/statement.h"

namespace outrigger::control::scheduler {

/// Ids of ours as the bigint that has the same bits.
constexpr std::int64_t as_signed(std::uint64_t number) noexcept {
  return static_cast<std::int64_t>(number);
}

/// What the scheduler says to PostgreSQL. Names are bytes, for they are compared as such. `part` is
/// a job's partition id, `xid` the transaction that wrote it last, which tells other replicas what
/// is new.
struct PostgresStatements {
  using Statement = components::postgres::Statement;

  Statement sequence{"CREATE SEQUENCE IF NOT EXISTS outrigger_scheduler_job_id",
                     Statement::Use::once};
  Statement table{
      "CREATE TABLE IF NOT EXISTS outrigger_scheduler_job (name bytea PRIMARY KEY, id bigint NOT "
      "NULL UNIQUE, part numeric(20) NOT NULL, xid xid8 NOT NULL, job bytea NOT NULL, counter "
      "bytea, due bigint NOT NULL, gap bigint NOT NULL)",
      Statement::Use::once};
  Statement due_index{
      "CREATE INDEX IF NOT EXISTS outrigger_scheduler_job_due ON outrigger_scheduler_job (due, id)",
      Statement::Use::once};
  Statement new_index{
      "CREATE INDEX IF NOT EXISTS outrigger_scheduler_job_xid ON outrigger_scheduler_job (xid)",
      Statement::Use::once};

  Statement put{
      "WITH before AS (SELECT id FROM outrigger_scheduler_job WHERE name = $1::bytea) INSERT INTO "
      "outrigger_scheduler_job AS j VALUES ($1::bytea, nextval('outrigger_scheduler_job_id'), "
      "$2::text::numeric, pg_current_xact_id(), $3::bytea, NULL, $4::bigint, $5::bigint) ON "
      "CONFLICT "
      "(name) DO UPDATE SET id = excluded.id, part = excluded.part, xid = excluded.xid, job = "
      "excluded.job, counter = NULL, due = excluded.due, gap = excluded.gap RETURNING id, (SELECT "
      "id FROM before)"};
  Statement put_new{
      "INSERT INTO outrigger_scheduler_job VALUES ($1::bytea, "
      "nextval('outrigger_scheduler_job_id'), $2::text::numeric, pg_current_xact_id(), $3::bytea, "
      "NULL, $4::bigint, $5::bigint) ON CONFLICT DO NOTHING RETURNING id, NULL::bigint"};
  Statement get{"SELECT job FROM outrigger_scheduler_job WHERE name = $1::bytea"};
  Statement remove{"DELETE FROM outrigger_scheduler_job WHERE name = $1::bytea RETURNING id"};
  Statement remove_prefix{
      "DELETE FROM outrigger_scheduler_job WHERE name >= $1::bytea AND name < $2::bytea RETURNING "
      "id"};
  /// No more than so many bytes ($5), and one job; lengths are known without reading the values.
  Statement list{
      "SELECT name, job FROM (SELECT name, job, sum(octet_length(job)) OVER (ORDER BY name) - "
      "octet_length(job) AS before FROM (SELECT name, job FROM outrigger_scheduler_job WHERE name "
      ">= $1::bytea AND name < $2::bytea AND name > $3::bytea ORDER BY name LIMIT $4::bigint) AS "
      "page) AS sized WHERE before < $5::bigint ORDER BY name"};

  Statement due{
      "SELECT due, id FROM outrigger_scheduler_job WHERE (due, id) > ($1::bigint, $2::bigint) AND "
      "due <= $3::bigint AND mod(part, $4::bigint) = $5::bigint ORDER BY due, id LIMIT $6::bigint"};
  Statement load{
      "SELECT id, due, name, job, counter FROM outrigger_scheduler_job WHERE id = ANY "
      "($1::text[]::bigint[]) AND mod(part, $2::bigint) = $3::bigint"};

  /// Our row as it was when the share began. It is locked, so that no other replica begins a share
  /// while what is written under this one is on its way.
  Statement fence{
      "SELECT 1 FROM outrigger_scheduler_replica WHERE id = $1::text AND uid = $2::bigint AND "
      "round "
      "= $3::bigint AND expires > clock_timestamp() FOR SHARE"};
  Statement advance{
      "UPDATE outrigger_scheduler_job SET counter = $2::bytea, due = $3::bigint, gap = $4::bigint "
      "WHERE id = $1::bigint AND EXISTS (SELECT 1 FROM outrigger_scheduler_replica WHERE id = "
      "$5::text AND uid = $6::bigint AND round = $7::bigint AND expires > clock_timestamp())"};
  Statement finish{
      "DELETE FROM outrigger_scheduler_job WHERE id = $1::bigint AND EXISTS (SELECT 1 FROM "
      "outrigger_scheduler_replica WHERE id = $2::text AND uid = $3::bigint AND round = $4::bigint "
      "AND expires > clock_timestamp())"};
  Statement shorten{
      "UPDATE outrigger_scheduler_job SET due = $1::bigint + gap WHERE gap > 0 AND due - gap > "
      "$1::bigint AND mod(part, $2::bigint) = $3::bigint"};

  /// Writes our row as it is.
  Statement probe{"UPDATE outrigger_scheduler_replica SET id = id WHERE id = $1::text"};

  Statement horizon{"SELECT pg_snapshot_xmin(pg_current_snapshot())::text"};
  Statement news{
      "SELECT id, due FROM outrigger_scheduler_job WHERE xid >= $1::text::xid8 AND mod(part, "
      "$2::bigint) = $3::bigint"};

  static const PostgresStatements& all();
};

}  // namespace outrigger::control::scheduler
