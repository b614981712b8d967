// Package datasets reads the images and recordings that searches and trainings run on, augments them and
// cuts them into batches.
//
// Images are held as bytes in NHWC order ([n, height, width, channels]); batches come out as
// float32 in the same order. Everything random is a function of a seed, an epoch and a sample's
// index, so a run is resumed from (seed, epoch, step) alone and does not depend on the number of
// goroutines.
//
// CIFAR's images are kept in memory ([Images], [Batches]); those of ImageNet are listed by
// [OpenImageFolder] and decoded, scaled and cropped as they are needed ([ImageBatches]), with the
// pixels that Pillow and torchvision would give. A [Prefetcher] makes batches of either ahead.
//
// CIFAR comes in the official binary formats or as WebP sheets, of which those of CIFAR-100 may hold
// any number of its images ([LoadCIFAR100]).
//
// Recordings are [Clips]: Speech Commands and DCASE2018's task 5 as their official archives unpack, read from the files as
// they are asked for, and FLAC clips in tar files. Speech Commands is split by [WhichSet]; its validation part is left out. A
// [Sound] says what features are taken of clips and how training varies them.
//
// Data folders are found by [ResolveDir]; [Load] opens a data set by name. [Embedded] needs no
// folder: a small class-balanced part of CIFAR-10 travels in the binary, and so do parts of Speech Commands and ESC-10.
package datasets
