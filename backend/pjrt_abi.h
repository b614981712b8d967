// The few parts of the PJRT C interface that this package touches, declared
// by their place in memory. The interface only ever grows at its end, so that
// these places hold for every plug-in of major version 0.

#ifndef GONAS_PJRT_ABI_H_
#define GONAS_PJRT_ABI_H_

#include <stddef.h>
#include <stdint.h>

// An entry of the function table. Every call takes one argument structure and
// returns an error, or NULL.
typedef void* (*gonas_fn)(void*);

typedef struct gonas_ext {
  size_t struct_size;
  int type;
  struct gonas_ext* next;
} gonas_ext;

enum { GONAS_EXT_FFI = 5 };

// Places in the function table.
enum {
  GONAS_FN_ERROR_DESTROY = 0,
  GONAS_FN_ERROR_MESSAGE = 1,
  GONAS_FN_CLIENT_CREATE = 10,
  GONAS_FN_CLIENT_PLATFORM_NAME = 12,
  GONAS_FN_CLIENT_PLATFORM_VERSION = 14,
  GONAS_FN_CLIENT_ADDRESSABLE_DEVICES = 16,
  GONAS_FN_CLIENT_COMPILE = 20,
  GONAS_FN_DEVICE_MEMORY_STATS = 34,
  GONAS_FN_EXECUTABLE_DESTROY = 40,
  GONAS_FN_EXECUTABLE_SERIALIZE = 49,
  GONAS_FN_LOADED_GET_EXECUTABLE = 51,
  GONAS_FN_DESERIALIZE_AND_LOAD = 56,
  GONAS_FN_NEEDED = 57,
};

typedef struct {
  size_t struct_size;  // of the whole table, in bytes
  gonas_ext* extensions;
  size_t version_struct_size;
  void* version_extensions;
  int major;
  int minor;
  gonas_fn fn[];
} gonas_api;

typedef struct {
  size_t struct_size;
  void* extensions;
  char* code;
  size_t code_size;
  const char* format;
  size_t format_size;
} gonas_program;

typedef struct {
  size_t struct_size;
  void* extensions;
  void* client;
  const gonas_program* program;
  const char* options;
  size_t options_size;
  void* executable;  // out
} gonas_compile_args;

typedef struct {
  size_t struct_size;
  void* extensions;
  void* client;
  const char* bytes;
  size_t bytes_size;
  void* executable;  // out
  const char* options;
  size_t options_size;
} gonas_load_args;

typedef struct {
  size_t struct_size;
  void* extensions;
  void* loaded;
  void* executable;  // out
} gonas_get_executable_args;

typedef struct {
  size_t struct_size;
  void* extensions;
  void* executable;
  const char* bytes;  // out
  size_t bytes_size;  // out
  void* owner;        // out
  void (*free_owner)(void*);  // out
} gonas_serialize_args;

// Destroys an error or an executable.
typedef struct {
  size_t struct_size;
  void* extensions;
  void* object;
} gonas_destroy_args;

// Asks an error or a client for a text; the object owns it.
typedef struct {
  size_t struct_size;
  void* extensions;
  void* object;
  const char* text;  // out
  size_t text_size;  // out
} gonas_text_args;

// The head of PJRT_Client_Create's arguments, up to the client.
typedef struct {
  size_t struct_size;
  void* extensions;
  void* options;
  size_t num_options;
  void* callbacks[4];
  void* client;  // out
} gonas_create_args;

typedef struct {
  size_t struct_size;
  void* extensions;
  void* client;
  void* const* devices;  // out
  size_t count;          // out
} gonas_devices_args;

// The head of PJRT_Device_MemoryStats's arguments; the rest is room for what newer plug-ins write.
typedef struct {
  size_t struct_size;
  void* extensions;
  void* device;
  int64_t in_use;    // out
  int64_t peak;      // out
  _Bool peak_known;  // out
  int64_t rest[64];  // out
} gonas_memory_args;

// Opens the library at path. NULL: *error is a text to free.
gonas_api* gonas_open(const char* path, char** error);

// A copy of the table whose Client_Create and Client_Compile are ours.
gonas_api* gonas_interpose(const gonas_api* api);

void* gonas_call(const gonas_api* api, int index, void* args);

// Compiles args with another program text in the place of its own.
void* gonas_compile_text(const gonas_api* api, gonas_compile_args* args,
                         char* code, size_t code_size);

// Loads a serialised executable into args->executable.
void* gonas_load(const gonas_api* api, gonas_compile_args* args,
                 const char* bytes, size_t bytes_size);

// Serialises a loaded executable; free the result's owner with gonas_serialized_free.
void* gonas_serialize(const gonas_api* api, void* loaded,
                      gonas_serialize_args* out);
void gonas_serialized_free(gonas_serialize_args* out);

// The text of an error, which is destroyed. Free the result.
char* gonas_error_text(const gonas_api* api, void* error);

// Name (index GONAS_FN_CLIENT_PLATFORM_NAME) or version of a client's platform. Free the result.
char* gonas_platform_text(const gonas_api* api, int index, void* client);

// The most bytes that the client's first device has had in use; -1 where the plug-in does not tell.
// NULL, or an error.
void* gonas_peak_memory(const gonas_api* api, void* client, int64_t* peak);

int gonas_has_ffi(const gonas_api* api);

#endif  // GONAS_PJRT_ABI_H_
