// What gRPC itself has to say to somebody at a terminal.
#ifndef VIDEODIFFCR_CLIENT_GRPC_MESSAGES_H_
#define VIDEODIFFCR_CLIENT_GRPC_MESSAGES_H_

namespace videodiffcr {

// Of the whole process: gRPC's log becomes messages (std::cerr) that begin with `program`, which outlives the process.
// By itself gRPC would write what a server sent as it is, control characters too, and wait for whoever reads. To be
// called behind PrepareStandardStreams(). May be called again.
void RouteGrpcMessages(const char* program);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GRPC_MESSAGES_H_
