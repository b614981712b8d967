// The part of XLA's foreign function interface that the kernels use: layouts
// only, declared here so that no XLA header is needed to build.
#ifndef GONAS_FFI_H
#define GONAS_FFI_H

#include <stddef.h>
#include <stdint.h>

typedef struct ffi_error ffi_error;      // owned by the runtime
typedef struct ffi_context ffi_context;  // one execution

// Every structure begins with its own size and a chain of extensions.
typedef struct ffi_extension {
  size_t size;
  int type;
  struct ffi_extension *next;
} ffi_extension;

enum { FFI_EXTENSION_METADATA = 1 };

typedef struct {
  size_t size;
  ffi_extension *extensions;
  int major, minor;
} ffi_version;

typedef struct {
  size_t size;
  ffi_version version;
  uint32_t traits;
  int64_t state_type;
} ffi_metadata;

typedef struct {
  ffi_extension base;
  ffi_metadata *metadata;
} ffi_metadata_extension;

enum { FFI_F32 = 11, FFI_S64 = 5 };
enum { FFI_BUFFER = 1 };
enum { FFI_ATTR_ARRAY = 1, FFI_ATTR_SCALAR = 3 };

typedef struct {
  size_t size;
  ffi_extension *extensions;
  int dtype;
  void *data;
  int64_t rank;
  int64_t *dims;
} ffi_buffer;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  int64_t count;
  int *types;
  void **items;
} ffi_list;

typedef struct {
  const char *text;
  size_t length;
} ffi_span;

typedef struct {
  int dtype;
  void *value;
} ffi_scalar;

typedef struct {
  int dtype;
  size_t count;
  void *data;
} ffi_array;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  int64_t count;
  int *types;
  ffi_span **names;
  void **items;
} ffi_attributes;

enum { FFI_INVALID_ARGUMENT = 3, FFI_RESOURCE_EXHAUSTED = 8 };

typedef struct {
  size_t size;
  ffi_extension *extensions;
  const char *message;
  int code;
} ffi_error_create;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  ffi_error *error;
} ffi_error_destroy;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  ffi_context *context;
  void (*task)(void *);
  void *data;
} ffi_schedule;

typedef struct {
  size_t size;
  ffi_extension *extensions;
  ffi_context *context;
  int64_t *threads;
} ffi_threads;

// The runtime's table of functions; those not used are void pointers.
typedef struct {
  size_t size;
  ffi_extension *extensions;
  ffi_version version;
  const void *internal;
  ffi_error *(*error_create)(ffi_error_create *);
  void *error_message;
  void (*error_destroy)(ffi_error_destroy *);
  void *handler_register, *stream, *type_register, *context_get, *state_set,
      *state_get, *allocate, *release;
  ffi_error *(*schedule)(ffi_schedule *);
  ffi_error *(*threads)(ffi_threads *);
} ffi_api;

enum { FFI_STAGE_EXECUTE = 3 };

typedef struct {
  size_t size;
  ffi_extension *extensions;
  const ffi_api *api;
  ffi_context *context;
  int stage;
  ffi_list arguments, results;
  ffi_attributes attributes;
} ffi_frame;

typedef ffi_error *ffi_handler(ffi_frame *);

// The oldest interface version that has all of the above.
enum { FFI_MAJOR = 0, FFI_MINOR = 1 };

// PJRT's extension for registering handlers. Its chain has the same shape.
enum { PJRT_EXTENSION_FFI = 5 };

typedef struct {
  size_t size;
  const char *target;
  size_t target_length;
  void *handler;
  const char *platform;
  size_t platform_length;
  int traits;
} pjrt_ffi_register;

// The same in older plug-ins, which refuse the shorter one by its size.
typedef struct {
  size_t size;
  const char *target;
  size_t target_length;
  int api_version;  // 1: typed handler
  void *handler;
  const char *platform;
  size_t platform_length;
  int traits;
} pjrt_ffi_register_old;

typedef struct {
  ffi_extension base;
  void *type_register, *user_data;
  void *(*register_handler)(void *);
} pjrt_ffi_extension;

// The beginning of PJRT_Api, enough to walk its extensions and to read errors.
typedef struct {
  size_t size;
  ffi_extension *extensions;
  struct {
    size_t size;
    ffi_extension *extensions;
    int major, minor;
  } version;
  void (*error_destroy)(void *);
  void (*error_message)(void *);
} pjrt_api;

#endif
