import { defineConfig } from 'vite';

// The built files have stable names: they are committed, and the server gives them names with a hash.
export default defineConfig({
  base: './',
  // `npx vite` shows the pages from source beside a running server.
  server: { proxy: { '/api': 'http://127.0.0.1:9650' } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: true,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/app.js',
        assetFileNames: 'assets/app[extname]',
        // Only the words of each language are loaded when they are wanted.
        chunkFileNames: (chunk) => `assets/${chunk.facadeModuleId?.includes('/i18n/zh/') ? 'zh' : chunk.facadeModuleId?.includes('/i18n/en/') ? 'en' : chunk.name}.js`,
      },
    },
  },
});
