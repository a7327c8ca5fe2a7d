// How the page is built: into ../built, as files whose names change with their content, each with its compressed twins.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const BUILT = fileURLToPath(new URL("../built", import.meta.url));
const COMPRESSIBLE = /\.(?:css|html|m?js|json|svg|webmanifest)$/;
const LEAST_BYTES = 1_024;

/** The gateway compresses nothing while it serves: what can be smaller is made so here, once. */
function compressedTwins(): Plugin {
  return {
    name: "compressed-twins",
    closeBundle() {
      for (const name of readdirSync(BUILT, { recursive: true, encoding: "utf8" })) {
        const path = `${BUILT}/${name}`;
        if (!COMPRESSIBLE.test(name) || statSync(path).size < LEAST_BYTES) continue;
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
        );
      }
    },
  };
}

export default defineConfig({
  base: "./",
  resolve: {
    // the sources, not what was compiled from them: one step less, and only what the page uses
    alias: { "@paceline/client": fileURLToPath(new URL("../../../protocol/typescript/src/index.ts", import.meta.url)) },
  },
  worker: { format: "es" },
  build: {
    outDir: BUILT,
    emptyOutDir: true,
    target: "es2022",
    // a data: URL would need an exception in the Content-Security-Policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1_500,
    rolldownOptions: { input: ["index.html", "ops.html"].map((name) => fileURLToPath(new URL(name, import.meta.url))) },
  },
  plugins: [compressedTwins()],
});
