// `npm run bench` runs every benchmark here, `npm run bench -- proxy` runs bench/proxy.ts alone; what follows the
// name is given to the benchmark. Each one runs in a process of its own, compares with its peers in the same run, and
// prints ratios.

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const [name, ...args] = process.argv.slice(2)
const named = name !== undefined && !name.startsWith('-')
if (named && !names.includes(name)) {
  process.stderr.write(`There is no benchmark "${name}"; there are: ${names.join(', ') || 'none yet'}.\n`)
  process.exit(1)
}
if (names.length === 0) {
  process.stderr.write('There is no benchmark in bench/ yet.\n')
  process.exit(1)
}

let worst = 0
for (const each of named ? [name] : names) {
  process.stdout.write(`\n── ${each} ──\n`)
  const child = spawn(process.execPath, [`${folder}${each}.ts`, ...(named ? args : process.argv.slice(2))], {
    stdio: 'inherit',
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
  worst = Math.max(worst, code)
}
process.exitCode = worst
