/**
 * Turns off what ONNX Runtime reports to its makers. Since 1.30 its builds for Linux and macOS send events about every
 * process and model to mobile.events.data.microsoft.com and keep a device identifier in the user's cache folder, unless
 * this variable is set before the library is loaded (onnxruntime pull request 27379). Models here are private.
 *
 * Import this before ONNX Runtime. A variable that is set already is left alone. Inside a worker thread this has no
 * effect, because `process.env` is a copy there; the main thread or the shell must set it.
 */
if (typeof process !== 'undefined') (process.env as { ORT_DISABLE_TELEMETRY?: string }).ORT_DISABLE_TELEMETRY ??= '1';
