import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The web interface of `itera-lite serve`, built into the package. */
export default defineConfig({
  root: path('.'),
  // Relative addresses, so that a proxy may serve the pages under any path.
  base: './',
  // Nothing of the environment may end up in the pages.
  envPrefix: 'ITERA_WEB_',
  resolve: {
    // The plain build of ONNX Runtime, which runs on the processor; its other builds are twice as large.
    alias: { '#onnxruntime': 'onnxruntime-web/wasm' },
  },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  worker: { format: 'es' },
  build: {
    outDir: path('../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    // Chrome, Firefox and Safari of the last years preload modules themselves.
    modulePreload: { polyfill: false },
    // A page that is refused inline scripts and styles has no use for data addresses either.
    assetsInlineLimit: 0,
    // Of charts and of the runtime, which are fetched only where they are needed.
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
    rollupOptions: {
      input: { index: path('index.html'), dashboard: path('dashboard.html'), browser: path('browser.html') },
    },
  },
});
