// Builds the chat page and the dashboard into dist/, or, with `test`, the unit tests and runs them.
// Never: fetches anything, or writes a file name that changes between builds.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
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
    entryPoints: { app: inside("src/main.tsx"), "admin/admin": inside("src/admin/main.tsx") },
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
    entryPoints: { app: inside("src/app.css"), "admin/admin": inside("src/admin/admin.css") },
    outdir: next,
    bundle: true,
    minify: true,
    target: ["es2022"],
    logLevel: "warning",
  });
  const files = (from) =>
    readdirSync(from, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(from, join(entry.parentPath, entry.name)));
  const fixed = inside("static");
  for (const name of files(fixed)) copyFileSync(join(fixed, name), join(next, name));
  mkdirSync(join(dist, "admin"), { recursive: true });
  const names = files(next);
  for (const name of names) renameSync(join(next, name), join(dist, name));
  for (const name of files(dist)) {
    if (!names.includes(name)) rmSync(join(dist, name));
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
