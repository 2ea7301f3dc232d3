// /v1/videos, as OpenAI's clients speak it.
#ifndef VIDEODIFFCR_GATEWAY_JOBS_JOB_ROUTES_H_
#define VIDEODIFFCR_GATEWAY_JOBS_JOB_ROUTES_H_

#include <string>

#include "gateway/http/http_message.h"
#include "gateway/jobs/job_runner.h"
#include "gateway/jobs/job_store.h"
#include "gateway/worker_pool.h"

namespace videodiffcr {

// Called by worker threads: it waits for the disk. What it is made of outlives it.
class JobRoutes {
 public:
  // `readers` read the videos that are sent.
  JobRoutes(JobStore* store, JobRunner* runner, WorkerPool* readers)
      : store_(store), runner_(runner), readers_(readers) {}

  // A request whose path begins with "v1".
  HttpResponse Handle(const HttpRequest& request);

 private:
  HttpResponse Create(const HttpRequest& request, const std::string& owner);
  HttpResponse List(const HttpRequest& request, const std::string& owner) const;
  HttpResponse Delete(const std::string& id, const std::string& owner);
  HttpResponse Content(const HttpRequest& request, const std::string& id, const std::string& owner) const;

  JobStore* const store_;
  JobRunner* const runner_;
  WorkerPool* const readers_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_JOBS_JOB_ROUTES_H_
