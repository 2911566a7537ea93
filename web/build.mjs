// Builds the page into dist/, or, with `test`, the unit tests and runs them.
// Never: fetches anything, or writes a file name that changes between builds.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const inside = (...parts) => join(here, ...parts);

async function buildPage() {
  // Built beside and moved in file by file: a server built meanwhile never finds the page gone.
  const dist = inside("dist");
  const next = inside("node_modules/.next");
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  await build({
    entryPoints: { app: inside("src/main.tsx") },
    outdir: next,
    bundle: true,
    format: "iife",
    target: ["es2022"],
    minify: true,
    legalComments: "none",
    // The library's debug logging is never switched on in the page.
    define: { "process.env.NODE_ENV": '"production"' },
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  await build({
    entryPoints: { app: inside("src/app.css") },
    outdir: next,
    bundle: true,
    minify: true,
    target: ["es2022"],
    logLevel: "warning",
  });
  for (const name of readdirSync(inside("static"))) {
    copyFileSync(inside("static", name), join(next, name));
  }
  mkdirSync(dist, { recursive: true });
  const names = readdirSync(next);
  for (const name of names) renameSync(join(next, name), join(dist, name));
  for (const name of readdirSync(dist)) {
    if (!names.includes(name)) rmSync(join(dist, name), { recursive: true });
  }
}

async function runTests() {
  const out = inside("node_modules/.tests");
  rmSync(out, { recursive: true, force: true });
  const names = readdirSync(inside("test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    entryPoints: names.map((name) => inside("test", name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
  const files = readdirSync(out).map((name) => join(out, name));
  const run = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
  process.exitCode = run.status ?? 1;
}

if (process.argv[2] === "test") {
  await runTests();
} else {
  await buildPage();
}
