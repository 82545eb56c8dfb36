#!/usr/bin/env node
// The `tidegate` command: sets up what its command needs, then continues with the pinned Node on server/cli.ts.
// No static imports: an old Node has to get as far as the sentence below.

if (Number.parseInt(process.versions.node, 10) < 20) {
  process.stderr.write(
    `Tidegate needs Node.js 20 or newer to set itself up; this is ${process.version}. Install a current one from https://nodejs.org and try again.\n`,
  )
  process.exit(1)
}

const { runCommand } = await import('../scripts/launch.mjs')
try {
  process.exit(await runCommand(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error?.sentence ?? error?.stack ?? String(error)}\n`)
  process.exit(error?.exitCode ?? 1)
}
