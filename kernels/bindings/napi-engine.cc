// N-API binding of the executor: files mapped read-only, sessions over weights in them. Memory-mapped weights are never
// shown to JavaScript: Electron refuses array buffers over memory that is not its own. A session holds references to
// the files it reads, so a file is unmapped when the last of both is collected or closed.
//
// Steps run on a thread of the session's own, not on one of the pool that Node shares among files, addresses and
// everything else: neither waits for the other, and a process that exits does not wait for a step. What a step reads
// and writes cannot be reached from JavaScript meanwhile: tokens are copied, and the array of logits is handed out when
// they are complete.
#include "bindings/napi-engine.h"

#include <stdlib.h>
#include <string.h>

#include "bindings/napi-arguments.h"
#include "bindings/step-thread.h"
#include "include/executor.h"
#include "include/machine.h"

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace {

constexpr napi_type_tag kFileTag = {0x5a1f0d3c9b7e4a61u, 0x8c2e6d4b10f39a75u};
constexpr napi_type_tag kSessionTag = {0x3e9c71b58d0f4c27u, 0xa64b83e2570d1f98u};

struct File {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  size_t references = 1;  // JavaScript's, and one per session
  int descriptor = -1;
};

void release(File* file) {
  if (--file->references != 0) return;
#if !defined(_WIN32)
  if (file->data) munmap(const_cast<uint8_t*>(file->data), file->bytes);
  if (file->descriptor >= 0) close(file->descriptor);
#endif
  free(file);
}

// Whether a file is still as long as it is mapped. Reading a page that was cut off ends the process with a signal;
// nothing can be done about a file that is cut off while a step reads it, but one that was before is seen.
bool is_whole(const File* file) {
#if !defined(_WIN32)
  struct stat facts;
  return fstat(file->descriptor, &facts) == 0 && static_cast<size_t>(facts.st_size) >= file->bytes;
#else
  return true;
#endif
}

struct Session {
  napi_env env = nullptr;
  qs_session* session = nullptr;
  void* memory = nullptr;
  File** files = nullptr;
  size_t file_count = 0;
  StepThread thread;
  bool is_hooked = false;
};

void at_environment_end(void* argument) { static_cast<Session*>(argument)->thread.stop(); }

// Cancels a step that runs and waits for it; its promise is settled afterwards.
void end(Session* session) {
  session->thread.end();
  if (session->is_hooked) napi_remove_env_cleanup_hook(session->env, at_environment_end, session);
  session->is_hooked = false;
  if (session->session) qs_session_end(session->session);
  session->session = nullptr;
  free(session->memory);
  session->memory = nullptr;
  for (size_t i = 0; i < session->file_count; ++i) release(session->files[i]);
  free(session->files);
  session->files = nullptr;
  session->file_count = 0;
}

// Owns `native` from here on, whatever happens: once there is a handle, its finalizer frees it, tagged or not.
napi_value wrap(napi_env env, void* native, const napi_type_tag* tag, napi_finalize finalize) {
  napi_value result;
  const bool handed_over = napi_create_external(env, native, finalize, nullptr, &result) == napi_ok;
  if (handed_over && napi_type_tag_object(env, result, tag) == napi_ok) return result;
  if (!handed_over) finalize(env, native, nullptr);
  return fail(env, "kernel/internal", "could not make a handle");
}

template <class T>
bool unwrap(napi_env env, napi_value value, const char* name, const napi_type_tag* tag, T** result) {
  napi_valuetype type;
  bool matches = false;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_external &&
      napi_check_object_type_tag(env, value, tag, &matches) == napi_ok && matches &&
      napi_get_value_external(env, value, reinterpret_cast<void**>(result)) == napi_ok) {
    return true;
  }
  fail(env, "kernel/bad-argument", name, "a handle of this addon");
  return false;
}

napi_value fail_status(napi_env env, qs_exec_status status, size_t where) {
  char message[160];
  snprintf(message, sizeof message, "The executor refused: %s at %zu.", qs_exec_status_code(status), where);
  return fail(env, qs_exec_status_code(status), message);
}

// mapFile(path) -> file. The error's code is io/map-failed.
napi_value map_file(napi_env env, napi_callback_info info) {
  napi_value a[1];
  char path[4096];
  size_t length;
  if (!read_arguments(env, info, a)) return nullptr;
  if (napi_get_value_string_utf8(env, a[0], path, sizeof path, &length) != napi_ok || length + 1 >= sizeof path) {
    return fail(env, "kernel/bad-argument", "path", "a path of less than 4095 bytes");
  }
#if defined(_WIN32)
  return fail(env, "io/map-failed", "Files are not mapped on Windows yet.");
#else
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (descriptor < 0 || fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size <= 0) {
    if (descriptor >= 0) close(descriptor);
    return fail(env, "io/map-failed", "The file cannot be opened, or is not a regular file with something in it.");
  }
  void* data = mmap(nullptr, static_cast<size_t>(facts.st_size), PROT_READ, MAP_SHARED, descriptor, 0);
  if (data == MAP_FAILED) {
    close(descriptor);
    return fail(env, "io/map-failed", "The file cannot be mapped into memory.");
  }
  File* file = static_cast<File*>(malloc(sizeof(File)));
  if (!file) {
    munmap(data, static_cast<size_t>(facts.st_size));
    close(descriptor);
    return fail(env, "engine/out-of-memory", "No memory.");
  }
  *file = File{static_cast<const uint8_t*>(data), static_cast<size_t>(facts.st_size), 1, descriptor};
  const auto finalize = [](napi_env, void* native, void*) { release(static_cast<File*>(native)); };
  return wrap(env, file, &kFileTag, finalize);
#endif
}

// One weight: [file index, offset, bytes, type, columns, rows, slices] as seven numbers of `table`.
constexpr size_t kWeightNumbers = 7;

bool read_weights(napi_env env, const double* table, size_t count, File* const* files, size_t file_count,
                  qs_weight* weights) {
  for (size_t i = 0; i < count; ++i) {
    const double* row = table + i * kWeightNumbers;
    for (size_t k = 0; k < kWeightNumbers; ++k) {
      if (!(row[k] >= 0 && row[k] <= (k == 1 || k == 2 ? 9007199254740991.0 : 2147483647.0))) {
        fail(env, "kernel/bad-argument", "weights", "whole numbers in range");
        return false;
      }
    }
    const size_t index = static_cast<size_t>(row[0]);
    const uint64_t offset = static_cast<uint64_t>(row[1]), bytes = static_cast<uint64_t>(row[2]);
    if (index >= file_count) {
      fail(env, "kernel/bad-argument", "weights", "of files that are given");
      return false;
    }
    if (offset > files[index]->bytes || bytes > files[index]->bytes - offset) {
      char message[80];
      snprintf(message, sizeof message, "A weight lies outside its file: engine/file-too-short at %zu.", i);
      fail(env, "engine/file-too-short", message);
      return false;
    }
    weights[i] = {files[index]->data + offset,   bytes,
                  static_cast<int32_t>(row[3]),  static_cast<uint32_t>(row[4]),
                  static_cast<uint32_t>(row[5]), static_cast<uint32_t>(row[6])};
  }
  return true;
}

bool read_files(napi_env env, napi_value list, Session* session) {
  uint32_t count;
  if (napi_get_array_length(env, list, &count) != napi_ok || count > 65535) {
    fail(env, "kernel/bad-argument", "files", "an array");
    return false;
  }
  session->files = static_cast<File**>(calloc(count ? count : 1, sizeof(File*)));
  if (!session->files) {
    fail(env, "engine/out-of-memory", "No memory.");
    return false;
  }
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    File* file;
    if (napi_get_element(env, list, i, &element) != napi_ok || !unwrap(env, element, "files", &kFileTag, &file))
      return false;
    ++file->references;
    session->files[session->file_count++] = file;
  }
  return true;
}

bool create(napi_env env, const Array& program, const Array& table, size_t threads, int32_t isa, Session* session) {
  const size_t count = table.bytes / sizeof(double) / kWeightNumbers;
  qs_weight* weights = static_cast<qs_weight*>(calloc(count ? count : 1, sizeof(qs_weight)));
  size_t where = 0;
  uint64_t bytes = 0;
  qs_exec_status status = QS_EXEC_OUT_OF_MEMORY;
  if (weights &&
      !read_weights(env, static_cast<const double*>(table.data), count, session->files, session->file_count, weights)) {
    free(weights);
    return false;
  }
  const int32_t* words = static_cast<const int32_t*>(program.data);
  const size_t word_count = program.bytes / sizeof(int32_t);
  if (weights) status = qs_session_bytes(words, word_count, weights, count, threads, &bytes, &where);
  if (status == QS_EXEC_OK) {
    session->memory = bytes <= SIZE_MAX - 64 ? aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64) : nullptr;
    status = session->memory ? qs_session_create(session->memory, bytes, words, word_count, weights, count, threads,
                                                 isa, &session->session)
                             : QS_EXEC_OUT_OF_MEMORY;
  }
  free(weights);
  if (status != QS_EXEC_OK) fail_status(env, status, where);
  return status == QS_EXEC_OK;
}

// createSession(program: Int32Array, files: file[], weights: Float64Array, threads, isa) -> session
napi_value create_session(napi_env env, napi_callback_info info) {
  napi_value a[5];
  Array program, table;
  size_t threads;
  int32_t isa;
  if (!read_arguments(env, info, a) || !read_size(env, a[3], "threads", &threads) || !read_int(env, a[4], "isa", &isa))
    return nullptr;
  Session* session = static_cast<Session*>(malloc(sizeof(Session)));
  if (!session) return fail(env, "engine/out-of-memory", "No memory.");
  *session = Session();
  session->env = env;
  const auto finalize = [](napi_env, void* native, void*) {
    end(static_cast<Session*>(native));
    free(native);
  };
  // Files first: reading an element may run JavaScript, which could take an array's memory away.
  if (read_files(env, a[1], session) && read_array(env, a[0], "program", napi_int32_array, &program) &&
      read_array(env, a[2], "weights", napi_float64_array, &table) &&
      create(env, program, table, threads, isa, session)) {
    // Hooks run in reverse order, so this one comes before the end of what the thread reports by.
    session->is_hooked = session->thread.start(env, session->session) &&
                         napi_add_env_cleanup_hook(env, at_environment_end, session) == napi_ok;
    if (session->is_hooked) return wrap(env, session, &kSessionTag, finalize);
    fail(env, "engine/out-of-memory", "No thread.");
  }
  end(session);
  free(session);
  return nullptr;
}

// A session that was not ended and is not at a step.
bool unwrap_idle(napi_env env, napi_value value, Session** session) {
  if (!unwrap(env, value, "session", &kSessionTag, session)) return false;
  if (!(*session)->session) {
    fail(env, "engine/session-ended", "The session was ended.");
    return false;
  }
  if ((*session)->thread.is_busy()) {
    fail(env, "engine/busy", "The session is at a step.");
    return false;
  }
  return true;
}

bool read_optional(napi_env env, napi_value value, const char* name, napi_typedarray_type type, Array* result) {
  napi_valuetype found;
  if (napi_typeof(env, value, &found) == napi_ok && found == napi_undefined) return true;
  return read_array(env, value, name, type, result);
}

// step(session, tokens: Int32Array, sequences: Int32Array | undefined, wanted: Uint8Array | undefined, floats)
//   -> promise of a Float32Array of that length
napi_value step(napi_env env, napi_callback_info info) {
  napi_value a[5];
  Session* session;
  Array tokens, sequences, wanted;
  size_t floats;
  if (!read_arguments(env, info, a) || !unwrap_idle(env, a[0], &session) ||
      !read_array(env, a[1], "tokens", napi_int32_array, &tokens) ||
      !read_optional(env, a[2], "sequences", napi_int32_array, &sequences) ||
      !read_optional(env, a[3], "wanted", napi_uint8_array, &wanted) || !read_size(env, a[4], "floats", &floats)) {
    return nullptr;
  }
  const size_t count = tokens.bytes / sizeof(int32_t);
  if ((sequences.data && sequences.bytes != tokens.bytes) || (wanted.data && wanted.bytes != count)) {
    return fail(env, "kernel/bad-argument", "sequences and wanted", "as long as tokens");
  }
  for (size_t i = 0; i < session->file_count; ++i) {
    if (!is_whole(session->files[i])) {
      return fail(env, "engine/file-too-short", "A file of the model was cut off.");
    }
  }
  return session->thread.ask(env, a[0], static_cast<const int32_t*>(tokens.data),
                             static_cast<const int32_t*>(sequences.data), static_cast<const uint8_t*>(wanted.data),
                             count, floats);
}

// cancel(session): the step that runs, if one does.
napi_value cancel(napi_env env, napi_callback_info info) {
  napi_value a[1];
  Session* session;
  if (read_arguments(env, info, a) && unwrap(env, a[0], "session", &kSessionTag, &session)) session->thread.cancel();
  return nullptr;
}

// sequenceLength(session, sequence) -> tokens
napi_value sequence_length(napi_env env, napi_callback_info info) {
  napi_value a[2], result = nullptr;
  Session* session;
  size_t sequence;
  if (!read_arguments(env, info, a) || !unwrap_idle(env, a[0], &session) ||
      !read_size(env, a[1], "sequence", &sequence)) {
    return nullptr;
  }
  napi_create_double(env, static_cast<double>(qs_session_length(session->session, sequence)), &result);
  return result;
}

// truncateSequence(session, sequence, length)
napi_value truncate_sequence(napi_env env, napi_callback_info info) {
  napi_value a[3];
  Session* session;
  size_t sequence, length;
  if (!read_arguments(env, info, a) || !unwrap_idle(env, a[0], &session) ||
      !read_size(env, a[1], "sequence", &sequence) || !read_size(env, a[2], "length", &length)) {
    return nullptr;
  }
  const qs_exec_status status = qs_session_truncate(session->session, sequence, length);
  return status == QS_EXEC_OK ? nullptr : fail_status(env, status, 0);
}

// copySequence(session, from, to, length)
napi_value copy_sequence(napi_env env, napi_callback_info info) {
  napi_value a[4];
  Session* session;
  size_t from, to, length;
  if (!read_arguments(env, info, a) || !unwrap_idle(env, a[0], &session) || !read_size(env, a[1], "from", &from) ||
      !read_size(env, a[2], "to", &to) || !read_size(env, a[3], "length", &length)) {
    return nullptr;
  }
  const qs_exec_status status = qs_session_copy(session->session, from, to, length);
  return status == QS_EXEC_OK ? nullptr : fail_status(env, status, 0);
}

// endSession(session): gives threads and memory back at once instead of when the handle is collected.
napi_value end_session(napi_env env, napi_callback_info info) {
  napi_value a[1];
  Session* session;
  if (read_arguments(env, info, a) && unwrap(env, a[0], "session", &kSessionTag, &session)) end(session);
  return nullptr;
}

// readBandwidth(threads, seconds) -> bytes per second; see include/machine.h
napi_value read_bandwidth(napi_env env, napi_callback_info info) {
  napi_value a[2], result;
  size_t threads;
  double seconds;
  if (!read_arguments(env, info, a) || !read_size(env, a[0], "threads", &threads)) return nullptr;
  if (napi_get_value_double(env, a[1], &seconds) != napi_ok || !(seconds >= 0 && seconds <= 60)) {
    return fail(env, "kernel/bad-argument", "seconds", "a number from 0 to 60");
  }
  const double rate = qs_read_bandwidth(threads, seconds);
  return napi_create_double(env, rate, &result) == napi_ok ? result : nullptr;
}

}  // namespace

bool define_engine(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"mapFile", nullptr, map_file, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createSession", nullptr, create_session, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"step", nullptr, step, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"cancel", nullptr, cancel, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"sequenceLength", nullptr, sequence_length, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"truncateSequence", nullptr, truncate_sequence, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"copySequence", nullptr, copy_sequence, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"endSession", nullptr, end_session, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"readBandwidth", nullptr, read_bandwidth, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) == napi_ok;
}
