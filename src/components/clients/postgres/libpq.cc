#include "components/clients/postgres/libpq.h"

#include <mutex>
#include <string>

#include <dlfcn.h>
#include <libpq-fe.h>

namespace outrigger::components::postgres {
namespace {

// The name that stands for the ABI all versions since 8.2 have kept.
constexpr const char* kLibrary = "libpq.so.5";

/// The functions of the library that are in use here.
struct Functions {
  decltype(PQclear)* clear;
  decltype(PQfinish)* finish;
  decltype(PQconnectStartParams)* connectStartParams;
  decltype(PQconnectPoll)* connectPoll;
  decltype(PQconndefaults)* conndefaults;
  decltype(PQconninfoFree)* conninfoFree;
  decltype(PQstatus)* status;
  decltype(PQsocket)* socket;
  decltype(PQerrorMessage)* errorMessage;
  decltype(PQsetNoticeReceiver)* setNoticeReceiver;
  decltype(PQsetnonblocking)* setnonblocking;
  decltype(PQenterPipelineMode)* enterPipelineMode;
  decltype(PQpipelineSync)* pipelineSync;
  decltype(PQflush)* flush;
  decltype(PQconsumeInput)* consumeInput;
  decltype(PQisBusy)* isBusy;
  decltype(PQgetResult)* getResult;
  decltype(PQsendPrepare)* sendPrepare;
  decltype(PQsendQueryParams)* sendQueryParams;
  decltype(PQsendQueryPrepared)* sendQueryPrepared;
  decltype(PQgetCancel)* getCancel;
  decltype(PQfreeCancel)* freeCancel;
  decltype(PQcancel)* cancel;
  decltype(PQresultStatus)* resultStatus;
  decltype(PQresultErrorMessage)* resultErrorMessage;
  decltype(PQresultErrorField)* resultErrorField;
  decltype(PQresultMemorySize)* resultMemorySize;
  decltype(PQntuples)* ntuples;
  decltype(PQcmdTuples)* cmdTuples;
  decltype(PQgetisnull)* getisnull;
  decltype(PQgetvalue)* getvalue;
  decltype(PQgetlength)* getlength;
};

Functions functions{};

class Loader {
 public:
  Loader() : library_(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) why_ = ::dlerror();
  }
  template <class Function>
  void find(Function*& into, const char* name) {
    if (library_ == nullptr || !why_.empty()) return;
    into = reinterpret_cast<Function*>(::dlsym(library_, name));
    if (into == nullptr) why_ = std::string(kLibrary) + " has no " + name;
  }
  [[nodiscard]] const std::string& why() const noexcept { return why_; }

 private:
  void* library_;
  std::string why_;
};

std::string load() {
  Loader loader;
  loader.find(functions.clear, "PQclear");
  loader.find(functions.finish, "PQfinish");
  loader.find(functions.connectStartParams, "PQconnectStartParams");
  loader.find(functions.connectPoll, "PQconnectPoll");
  loader.find(functions.conndefaults, "PQconndefaults");
  loader.find(functions.conninfoFree, "PQconninfoFree");
  loader.find(functions.status, "PQstatus");
  loader.find(functions.socket, "PQsocket");
  loader.find(functions.errorMessage, "PQerrorMessage");
  loader.find(functions.setNoticeReceiver, "PQsetNoticeReceiver");
  loader.find(functions.setnonblocking, "PQsetnonblocking");
  loader.find(functions.enterPipelineMode, "PQenterPipelineMode");
  loader.find(functions.pipelineSync, "PQpipelineSync");
  loader.find(functions.flush, "PQflush");
  loader.find(functions.consumeInput, "PQconsumeInput");
  loader.find(functions.isBusy, "PQisBusy");
  loader.find(functions.getResult, "PQgetResult");
  loader.find(functions.sendPrepare, "PQsendPrepare");
  loader.find(functions.sendQueryParams, "PQsendQueryParams");
  loader.find(functions.sendQueryPrepared, "PQsendQueryPrepared");
  loader.find(functions.getCancel, "PQgetCancel");
  loader.find(functions.freeCancel, "PQfreeCancel");
  loader.find(functions.cancel, "PQcancel");
  loader.find(functions.resultStatus, "PQresultStatus");
  loader.find(functions.resultErrorMessage, "PQresultErrorMessage");
  loader.find(functions.resultErrorField, "PQresultErrorField");
  loader.find(functions.resultMemorySize, "PQresultMemorySize");
  loader.find(functions.ntuples, "PQntuples");
  loader.find(functions.cmdTuples, "PQcmdTuples");
  loader.find(functions.getisnull, "PQgetisnull");
  loader.find(functions.getvalue, "PQgetvalue");
  loader.find(functions.getlength, "PQgetlength");
  return loader.why();
}

}  // namespace

Result<> load_libpq() {
  static const std::string why = load();
  if (why.empty()) return {};
  return fail(Code::failed_precondition,
              "PostgreSQL needs the client library libpq, which cannot be loaded: " + why +
                  ". Install it (Debian package libpq5)");
}

}  // namespace outrigger::components::postgres

// What the header of the library declares. Nobody has a connection before load_libpq() succeeded.
namespace pq = outrigger::components::postgres;

extern "C" {
void PQclear(PGresult* result) { return pq::functions.clear(result); }
void PQfinish(PGconn* connection) { return pq::functions.finish(connection); }
PGconn* PQconnectStartParams(const char* const* names, const char* const* values, int expand) {
  return pq::functions.connectStartParams(names, values, expand);
}
PostgresPollingStatusType PQconnectPoll(PGconn* connection) {
  return pq::functions.connectPoll(connection);
}
PQconninfoOption* PQconndefaults() { return pq::functions.conndefaults(); }
void PQconninfoFree(PQconninfoOption* options) { return pq::functions.conninfoFree(options); }
ConnStatusType PQstatus(const PGconn* connection) { return pq::functions.status(connection); }
int PQsocket(const PGconn* connection) { return pq::functions.socket(connection); }
char* PQerrorMessage(const PGconn* connection) { return pq::functions.errorMessage(connection); }
PQnoticeReceiver PQsetNoticeReceiver(PGconn* connection, PQnoticeReceiver receiver, void* user) {
  return pq::functions.setNoticeReceiver(connection, receiver, user);
}
int PQsetnonblocking(PGconn* connection, int nonblocking) {
  return pq::functions.setnonblocking(connection, nonblocking);
}
int PQenterPipelineMode(PGconn* connection) { return pq::functions.enterPipelineMode(connection); }
int PQpipelineSync(PGconn* connection) { return pq::functions.pipelineSync(connection); }
int PQflush(PGconn* connection) { return pq::functions.flush(connection); }
int PQconsumeInput(PGconn* connection) { return pq::functions.consumeInput(connection); }
int PQisBusy(PGconn* connection) { return pq::functions.isBusy(connection); }
PGresult* PQgetResult(PGconn* connection) { return pq::functions.getResult(connection); }
int PQsendPrepare(PGconn* connection, const char* name, const char* sql, int count,
                  const Oid* types) {
  return pq::functions.sendPrepare(connection, name, sql, count, types);
}
int PQsendQueryParams(PGconn* connection, const char* sql, int count, const Oid* types,
                      const char* const* values, const int* lengths, const int* formats,
                      int format) {
  return pq::functions.sendQueryParams(connection, sql, count, types, values, lengths, formats,
                                       format);
}
int PQsendQueryPrepared(PGconn* connection, const char* name, int count, const char* const* values,
                        const int* lengths, const int* formats, int format) {
  return pq::functions.sendQueryPrepared(connection, name, count, values, lengths, formats, format);
}
PGcancel* PQgetCancel(PGconn* connection) { return pq::functions.getCancel(connection); }
void PQfreeCancel(PGcancel* cancel) { return pq::functions.freeCancel(cancel); }
int PQcancel(PGcancel* cancel, char* why, int why_bytes) {
  return pq::functions.cancel(cancel, why, why_bytes);
}
ExecStatusType PQresultStatus(const PGresult* result) { return pq::functions.resultStatus(result); }
char* PQresultErrorMessage(const PGresult* result) {
  return pq::functions.resultErrorMessage(result);
}
char* PQresultErrorField(const PGresult* result, int field) {
  return pq::functions.resultErrorField(result, field);
}
size_t PQresultMemorySize(const PGresult* result) { return pq::functions.resultMemorySize(result); }
int PQntuples(const PGresult* result) { return pq::functions.ntuples(result); }
char* PQcmdTuples(PGresult* result) { return pq::functions.cmdTuples(result); }
int PQgetisnull(const PGresult* result, int row, int column) {
  return pq::functions.getisnull(result, row, column);
}
char* PQgetvalue(const PGresult* result, int row, int column) {
  return pq::functions.getvalue(result, row, column);
}
int PQgetlength(const PGresult* result, int row, int column) {
  return pq::functions.getlength(result, row, column);
}
}
