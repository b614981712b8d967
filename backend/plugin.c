//go:build linux && cgo

#include "pjrt_abi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

gonas_api* gonas_open(const char* path, char** error) {
  void* handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (handle == NULL) {
    const char* why = dlerror();
    *error = strdup(why != NULL ? why : "unknown error of dlopen");
    return NULL;
  }
  gonas_api* (*get)(void) = (gonas_api * (*)(void)) dlsym(handle, "GetPjrtApi");
  if (get == NULL) {
    *error = strdup("no symbol GetPjrtApi: not a PJRT plug-in");
    dlclose(handle);
    return NULL;
  }
  gonas_api* api = get();
  if (api == NULL) {
    *error = strdup("GetPjrtApi returned NULL");
    return NULL;
  }
  size_t need = offsetof(gonas_api, fn) + GONAS_FN_NEEDED * sizeof(gonas_fn);
  if (api->major != 0 || api->struct_size < need) {
    char text[160];
    snprintf(text, sizeof text,
             "PJRT interface %d.%d with a table of %zu bytes, expected 0.x with at least %zu",
             api->major, api->minor, api->struct_size, need);
    *error = strdup(text);
    return NULL;
  }
  return api;
}

gonas_api* gonas_interpose(const gonas_api* api) {
  // Longer than the plug-in's own, zeros behind it: callers built for a newer
  // interface then find NULL instead of foreign memory.
  size_t room = offsetof(gonas_api, fn) + 256 * sizeof(gonas_fn);
  gonas_api* copy = calloc(1, api->struct_size > room ? api->struct_size : room);
  if (copy == NULL) return NULL;
  memcpy(copy, api, api->struct_size);
  copy->fn[GONAS_FN_CLIENT_CREATE] = gonasClientCreate;
  copy->fn[GONAS_FN_CLIENT_COMPILE] = gonasClientCompile;
  return copy;
}

void* gonas_call(const gonas_api* api, int index, void* args) {
  return api->fn[index](args);
}

void* gonas_compile_text(const gonas_api* api, gonas_compile_args* args,
                         char* code, size_t code_size) {
  gonas_program program = *args->program;
  program.code = code;
  program.code_size = code_size;
  gonas_compile_args mine = *args;
  mine.struct_size = sizeof mine;
  mine.program = &program;
  void* error = gonas_call(api, GONAS_FN_CLIENT_COMPILE, &mine);
  args->executable = mine.executable;
  return error;
}

void* gonas_load(const gonas_api* api, gonas_compile_args* args,
                 const char* bytes, size_t bytes_size) {
  gonas_load_args load = {
      .struct_size = sizeof load,
      .client = args->client,
      .bytes = bytes,
      .bytes_size = bytes_size,
  };
  void* error = gonas_call(api, GONAS_FN_DESERIALIZE_AND_LOAD, &load);
  if (error == NULL) args->executable = load.executable;
  return error;
}

void* gonas_serialize(const gonas_api* api, void* loaded,
                      gonas_serialize_args* out) {
  gonas_get_executable_args get = {.struct_size = sizeof get, .loaded = loaded};
  void* error = gonas_call(api, GONAS_FN_LOADED_GET_EXECUTABLE, &get);
  if (error != NULL) return error;
  memset(out, 0, sizeof *out);
  out->struct_size = sizeof *out;
  out->executable = get.executable;
  error = gonas_call(api, GONAS_FN_EXECUTABLE_SERIALIZE, out);
  gonas_destroy_args done = {.struct_size = sizeof done, .object = get.executable};
  void* ignored = gonas_call(api, GONAS_FN_EXECUTABLE_DESTROY, &done);
  if (ignored != NULL) free(gonas_error_text(api, ignored));
  return error;
}

void gonas_serialized_free(gonas_serialize_args* out) {
  if (out->free_owner != NULL && out->owner != NULL) out->free_owner(out->owner);
}

// Errors' calls return nothing, unlike all others.
typedef void (*error_fn)(void*);

char* gonas_error_text(const gonas_api* api, void* error) {
  gonas_text_args ask = {.struct_size = sizeof ask, .object = error};
  ((error_fn)api->fn[GONAS_FN_ERROR_MESSAGE])(&ask);
  char* text = strndup(ask.text != NULL ? ask.text : "", ask.text_size);
  gonas_destroy_args done = {.struct_size = sizeof done, .object = error};
  ((error_fn)api->fn[GONAS_FN_ERROR_DESTROY])(&done);
  return text;
}

char* gonas_platform_text(const gonas_api* api, int index, void* client) {
  gonas_text_args ask = {.struct_size = sizeof ask, .object = client};
  void* error = gonas_call(api, index, &ask);
  if (error != NULL) {
    free(gonas_error_text(api, error));
    return strdup("");
  }
  return strndup(ask.text, ask.text_size);
}

void* gonas_peak_memory(const gonas_api* api, void* client, int64_t* peak) {
  *peak = -1;
  gonas_devices_args list = {.struct_size = sizeof list, .client = client};
  void* error = gonas_call(api, GONAS_FN_CLIENT_ADDRESSABLE_DEVICES, &list);
  if (error != NULL || list.count == 0) return error;
  gonas_memory_args stats = {.struct_size = sizeof stats, .device = list.devices[0]};
  error = gonas_call(api, GONAS_FN_DEVICE_MEMORY_STATS, &stats);
  if (error == NULL && stats.peak_known) *peak = stats.peak;
  return error;
}

int gonas_has_ffi(const gonas_api* api) {
  for (const gonas_ext* e = api->extensions; e != NULL; e = e->next) {
    if (e->type == GONAS_EXT_FFI) return 1;
  }
  return 0;
}
