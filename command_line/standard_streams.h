// Standard input, output and error as every main() wants to find them.
#ifndef VIDEODIFFCR_COMMAND_LINE_STANDARD_STREAMS_H_
#define VIDEODIFFCR_COMMAND_LINE_STANDARD_STREAMS_H_

namespace videodiffcr {

// To be called first in main(). Messages (std::cerr) that nobody reads are dropped, a second after the pipe is full:
// they hold up neither the work nor the end of a program. Lost readers and full disks become errors of write() instead
// of signals. And a program that calls this gives a stream that was closed before it (`>&-`) a descriptor on which
// reading finds nothing and writing fails: otherwise the next file or socket would take its number, and what is meant
// for standard output would go there.
void PrepareStandardStreams();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_STANDARD_STREAMS_H_
