//go:build linux && cgo

package backend

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "pjrt_abi.h"
extern int gonas_malloc_tuned;
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// MallocTuned tells whether the C allocator runs with the settings that suit
// XLA's large buffers.
func MallocTuned() bool { return C.gonas_malloc_tuned != 0 }

// session is one opened client of a plug-in with what is put between.
type session struct {
	name        string       // under which go-xla knows the table
	api         *C.gonas_api // the plug-in's own table
	cache       *diskCache   // nil: no cache
	environment string       // what the cache's key holds besides program and options
	rewrite     func(string) (string, map[string]int)
	compiling   chan struct{}  // holds what compiles now; nil: any number
	client      unsafe.Pointer // and all below: known once the client is made
	platform    string
	version     string
}

var (
	openLock sync.Mutex
	opened   int // sessions so far, for their names

	// Clients are known by their address only.
	clients sync.Map // uintptr → *session
	// The session being opened, or opened last: whose the next client is.
	latest atomic.Pointer[session]

	// A plug-in takes each kernel once.
	registered = map[unsafe.Pointer]error{}
)

func openXLA(found Found, options Options) (*Backend, error) {
	openLock.Lock()
	defer openLock.Unlock()
	real, err := filepath.EvalSymlinks(found.Path) // $ORIGIN in a plug-in is the true file's folder
	if err != nil {
		return nil, fmt.Errorf("XLA plug-in: %w", err)
	}
	if found.Kind == KindCUDA {
		if err := setTF32(found.Options); err != nil {
			return nil, err
		}
	}
	client, err := clientOptions(found.Kind, real, options.Threads)
	if err != nil {
		return nil, err
	}

	path := C.CString(real)
	defer C.free(unsafe.Pointer(path))
	var cError *C.char
	api := C.gonas_open(path, &cError)
	if api == nil {
		why := C.GoString(cError)
		C.free(unsafe.Pointer(cError))
		return nil, fmt.Errorf("XLA plug-in %s (from %s): %s; %s=xla:/path or go takes another", real, found.Source, why, EnvBackend)
	}
	table := C.gonas_interpose(api)
	if table == nil {
		return nil, fmt.Errorf("XLA plug-in %s: out of memory", real)
	}

	info := Info{Kind: found.Kind, PluginPath: found.Path, Source: found.Source}
	s := &session{api: api}
	if found.Kind == KindCUDA {
		s.compiling = make(chan struct{}, cudaCompilations)
	}
	if s.cache, err = chooseCache(options); err != nil {
		info.CacheError = err.Error()
		if !errors.Is(err, errCacheOff) {
			info.Warning = err.Error()
		}
	}

	// An absolute name passes go-xla's search by, and its part "cpu" or "cuda"
	// is how go-xla knows the platform.
	opened++
	name := fmt.Sprintf("/gonas-%d/%s", opened, strings.TrimPrefix(found.Kind, "xla-"))
	s.name = name
	latest.Store(s)
	xla.EnableAutoInstall(false)
	if err := pjrt.RegisterPreloadedPlugin(name, uintptr(unsafe.Pointer(table))); err != nil {
		return nil, fmt.Errorf("XLA plug-in %s: %w", real, err)
	}
	inner, err := xla.NewWithOptions(name+found.Options, client)
	if _, ok := client[optionAsynchronous]; err != nil && ok {
		// An older plug-in may not know the option.
		delete(client, optionAsynchronous)
		inner, err = xla.NewWithOptions(name+found.Options, client)
	}
	if err != nil {
		return nil, fmt.Errorf("XLA plug-in %s (from %s): %w; %s=xla:/path or go takes another", real, found.Source, err, EnvBackend)
	}

	if k := ownKernels; k != nil && !options.NoKernels && s.platform == "cpu" && C.gonas_has_ffi(api) != 0 {
		key := unsafe.Pointer(api)
		err, done := registered[key]
		if !done {
			err = k.register(key)
			registered[key] = err
		}
		if err != nil {
			info.Warning = "CPU kernels not in use: " + err.Error()
		} else {
			s.rewrite, info.Kernels = k.rewrite, true
		}
	}
	info.PluginVersion = pluginVersion(real, int(api.major), int(api.minor), s.version)
	info.Devices = devices(inner)
	if found.Kind == KindCUDA {
		// The plug-in's own names are no more than numbers.
		models := strings.Join(gpuModels("/proc/driver/nvidia/gpus"), " or ")
		for i := range info.Devices {
			info.Devices[i] = strings.TrimSpace(info.Devices[i] + " " + models)
		}
	}
	if s.cache != nil {
		identity, err := pluginIdentity(real, s.cache)
		if err != nil {
			s.cache, info.CacheError = nil, "compile cache: "+err.Error()
			info.Warning = info.CacheError
		} else {
			info.CacheDir = s.cache.dir
			s.environment = strings.Join([]string{identity, s.platform, s.version, strings.Join(info.Devices, ","), xlaFlags(), hostIdentity(), kernelsVersion()}, "\x00")
			if found.Kind == KindCUDA {
				// XLA measured its kernels under it.
				s.environment += "\x00" + os.Getenv(envTF32)
			}
		}
	}
	if info.Warning != "" {
		Warn(info.Warning)
	}
	return &Backend{Backend: inner, Info: info, peakMemory: s.peakMemory}, nil
}

func (s *session) peakMemory() (int64, error) {
	var peak C.int64_t
	if failed := C.gonas_peak_memory(s.api, s.client, &peak); failed != nil {
		return 0, errors.New(takeString(C.gonas_error_text(s.api, failed)))
	}
	if peak < 0 {
		return 0, errors.New("the plug-in does not tell how much memory its device had in use")
	}
	return int64(peak), nil
}

// kernelsVersion is part of the cache's key also where kernels are not in use:
// the program then differs by itself.
func kernelsVersion() string {
	if ownKernels == nil {
		return ""
	}
	return ownKernels.version
}

const optionAsynchronous = "asynchronous"

// clientOptions returns the options of a new client and sets the variables
// that a plug-in reads as it makes one.
func clientOptions(kind, path string, threads int) (pjrt.NamedValuesMap, error) {
	if kind == KindCUDA {
		return nil, errors.Join(addXLAFlags("--xla_gpu_enable_triton_gemm", "--xla_gpu_enable_triton_gemm=false"), setCUDAFolder(path))
	}
	if threads == 0 {
		var err error
		if threads, err = threadsFromEnvironment(); err != nil {
			return nil, err
		}
	}
	if err := addXLAFlags("--xla_backend_extra_options", compilerOptions); err != nil {
		return nil, err
	}
	if threads == 0 {
		// More threads than processors only wait for one another: a search step takes half as long again.
		threads = runtime.NumCPU()
	}
	// The pool has at least one thread a device, and a client shows four by default.
	// Programs run on the thread that calls them: through a thread of XLA's own, two at once mostly took turns, and a
	// search step by edges took a fifth longer.
	values := pjrt.NamedValuesMap{"cpu_device_count": int64(1), optionAsynchronous: false}
	return values, os.Setenv("PJRT_NPROC", strconv.Itoa(threads))
}

// compilerOptions make XLA's CPU compiler take a third of the time for our blocks, and the code no slower: the newer
// emitters compile each fusion as a module of its own, and unrolled loops gain nothing where memory is the limit. XLA
// ignores the options that it does not know.
const compilerOptions = "--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters,xla_cpu_disable_loop_unrolling"

// cudaCompilations is how many programs compile at once on a GPU. Each measures its kernels on the one GPU: sixteen at
// once had finished two programs of a supernet in 25 seconds, where one after another took 0.8 seconds each (H200).
// Without measuring, a step of FairNAS took three times as long; products of matrices by Triton take the longest to
// measure, and the blocks' are left to cuBLAS.
const cudaCompilations = 4

// addXLAFlags leaves the flags of a user who set this one, or a file of flags, alone.
func addXLAFlags(name, flag string) error {
	flags := strings.TrimSpace(os.Getenv("XLA_FLAGS"))
	set := func(f string) bool { return f == name || strings.HasPrefix(f, name+"=") }
	if slices.ContainsFunc(strings.Fields(flags), set) || (flags != "" && !strings.HasPrefix(flags, "-")) {
		return nil
	}
	return os.Setenv("XLA_FLAGS", strings.TrimSpace(flags+" "+flag))
}

// envTF32 set to 0 keeps NVIDIA's libraries from rounding to TF32.
const envTF32 = "NVIDIA_TF32_OVERRIDE"

// setTF32 makes the option tf32=false hold for convolutions too: go-xla says it of products of matrices alone. What the
// user's environment says goes first.
func setTF32(options string) error {
	if _, set := os.LookupEnv(envTF32); set || !slices.Contains(strings.Split(options, ","), "tf32=false") {
		return nil
	}
	return os.Setenv(envTF32, "0")
}

// setCUDAFolder points XLA to libdevice and ptxas in the wheels beside the
// plug-in, as go-xla does for plug-ins that it loads itself.
func setCUDAFolder(path string) error {
	above := filepath.Dir(filepath.Dir(path))
	for _, dir := range []string{"nvidia", "../nvidia/cu13", "../nvidia/cuda_nvcc"} {
		dir = filepath.Join(above, dir)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return addXLAFlags("--xla_gpu_cuda_data_dir", "--xla_gpu_cuda_data_dir="+dir)
		}
	}
	return nil
}

func chooseCache(options Options) (*diskCache, error) {
	dir, max := options.CacheDir, options.CacheMax
	switch dir {
	case "":
		var err error
		if dir, err = cacheDirectory(); err != nil {
			return nil, err
		}
	case "off":
		return nil, errCacheOff
	}
	// A dump is written as the program is compiled.
	if strings.Contains(xlaFlags(), "--xla_dump_to") {
		return nil, errors.New("compile cache: not used while XLA_FLAGS asks for dumps")
	}
	if max == 0 {
		var err error
		if max, err = cacheMax(); err != nil {
			return nil, fmt.Errorf("compile cache: %w", err)
		}
	}
	return openCache(dir, max)
}

// gonasClientCreate stands in the place of PJRT_Client_Create to learn which
// client belongs to which session.
//
//export gonasClientCreate
func gonasClientCreate(args unsafe.Pointer) unsafe.Pointer {
	s := latest.Load()
	failed := C.gonas_call(s.api, C.GONAS_FN_CLIENT_CREATE, args)
	if failed != nil {
		return failed
	}
	client := (*C.gonas_create_args)(args).client
	s.client = client
	s.platform = takeString(C.gonas_platform_text(s.api, C.GONAS_FN_CLIENT_PLATFORM_NAME, client))
	s.version = takeString(C.gonas_platform_text(s.api, C.GONAS_FN_CLIENT_PLATFORM_VERSION, client))
	clients.Store(uintptr(client), s)
	return nil
}

// gonasClientCompile stands in the place of PJRT_Client_Compile.
//
//export gonasClientCompile
func gonasClientCompile(raw unsafe.Pointer) (failed unsafe.Pointer) {
	args := (*C.gonas_compile_args)(raw)
	s := latest.Load()
	if own, ok := clients.Load(uintptr(args.client)); ok {
		s = own.(*session)
	}
	defer func() {
		if r := recover(); r != nil { // must not cross the C frames below
			Warn(fmt.Sprintf("compile layer failed, compiling without it: %v", r))
			failed = s.compile(args, nil)
		}
	}()
	program := *args.program
	if C.GoStringN(program.format, C.int(program.format_size)) != "mlir" || program.code_size > 1<<31-1 {
		return s.compile(args, nil)
	}
	original := C.GoBytes(unsafe.Pointer(program.code), C.int(program.code_size))
	text := original
	if s.rewrite != nil {
		rewritten, stats := s.rewrite(string(original))
		if len(stats) > 0 {
			text = []byte(rewritten)
			count(func(c *Stats) {
				for name, n := range stats {
					c.Kernels[name] += n
				}
			})
		}
	}
	if s.cache == nil {
		return s.compileEither(args, text, original)
	}

	key := programKey(text, C.GoBytes(unsafe.Pointer(args.options), C.int(args.options_size)), s.environment)
	defer s.cache.lock(key)()
	if s.load(args, key) {
		return nil
	}
	if failed := s.compileEither(args, text, original); failed != nil {
		return failed
	}
	if err := s.store(args, key); err != nil {
		Warn(err.Error())
	}
	return nil
}

// load loads the program from the cache.
func (s *session) load(args *C.gonas_compile_args, key cacheKey) bool {
	start := time.Now()
	payload, err := s.cache.get(key)
	if err == nil {
		if failed := C.gonas_load(s.api, args, (*C.char)(unsafe.Pointer(unsafe.SliceData(payload))), C.size_t(len(payload))); failed != nil {
			err = errors.New(takeString(C.gonas_error_text(s.api, failed)))
		}
	}
	count(func(c *Stats) {
		switch {
		case err == nil:
			c.CacheHits++
			c.LoadTime += time.Since(start)
		case errors.Is(err, errNoEntry):
			c.CacheMisses++
		default:
			c.CacheMisses++
			c.Rejected++
		}
	})
	return err == nil
}

// store writes what was compiled to the cache.
func (s *session) store(args *C.gonas_compile_args, key cacheKey) error {
	var out C.gonas_serialize_args
	if failed := C.gonas_serialize(s.api, args.executable, &out); failed != nil {
		// A plug-in or a program that cannot be serialised is compiled each time.
		C.free(unsafe.Pointer(C.gonas_error_text(s.api, failed)))
		return nil
	}
	defer C.gonas_serialized_free(&out)
	return s.cache.put(key, unsafe.Slice((*byte)(unsafe.Pointer(out.bytes)), int(out.bytes_size)))
}

// compileEither compiles text; where that is a rewritten program that XLA
// refuses, the original.
func (s *session) compileEither(args *C.gonas_compile_args, text, original []byte) unsafe.Pointer {
	failed := s.compile(args, text)
	if failed == nil || string(text) == string(original) {
		return failed
	}
	why := takeString(C.gonas_error_text(s.api, failed))
	count(func(c *Stats) { c.Fallbacks++ })
	Warn("XLA refused a program with CPU kernels, compiling it without: " + why)
	return s.compile(args, original)
}

// compile lets the plug-in compile text, or what args hold where text is nil.
func (s *session) compile(args *C.gonas_compile_args, text []byte) unsafe.Pointer {
	if s.compiling != nil {
		s.compiling <- struct{}{}
		defer func() { <-s.compiling }()
	}
	start := time.Now()
	count(func(*Stats) {
		if counters.compiling++; counters.compiling == 1 {
			counters.since = start
		}
	})
	var failed unsafe.Pointer
	if text == nil {
		failed = C.gonas_call(s.api, C.GONAS_FN_CLIENT_COMPILE, unsafe.Pointer(args))
	} else {
		failed = C.gonas_compile_text(s.api, args, (*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)))
	}
	count(func(c *Stats) {
		c.Compilations++
		c.CompileTime += time.Since(start)
		if counters.compiling--; counters.compiling == 0 {
			c.CompileWall += time.Since(counters.since)
		}
	})
	return failed
}

func takeString(text *C.char) string {
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}
