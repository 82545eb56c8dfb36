import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const here = (path: string) => new URL(`../../${path}`, import.meta.url).href

/** Runs a small program in a process of its own: what is tested is how a process ends. */
const runProgram = async (body: string): Promise<{ code: number | null; lines: string[] }> => {
  const program = `
    import { createServer } from 'node:http'
    const { LastResort } = await import('${here('server/observe/last-resort.ts')}')
    const { createLog } = await import('${here('server/observe/log.ts')}')
    const log = createLog('test', 'info')
    const server = createServer().listen(0)
    ${body}
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, lines: output.trim().split('\n') }
}

describe('an error that escapes every guard', () => {
  it('ends the process once, in order, with code 1 and the reason in the last line', async () => {
    const { code, lines } = await runProgram(`
      const resort = new LastResort({ log, what: 'node x', deadlineMs: () => 5000, end: () => {
        log.info('closing')
        server.close(() => { resort.sayWhy(); resort.release(); process.exitCode = resort.used ? 1 : 0 })
      } })
      setTimeout(() => { throw new Error('a timer of one request') }, 10)
      Promise.reject(new Error('and a promise'))
    `)
    expect(code).toBe(1)
    expect(lines.filter((line) => line.includes('closing'))).toHaveLength(1)
    expect(lines.at(-1)).toContain('node x ended because an error escaped: Error: ')
  })

  it('does not keep a process half dead for ever when the orderly end throws the same error again and again', async () => {
    const { code, lines } = await runProgram(`
      new LastResort({ log, what: 'node x', deadlineMs: () => 300, end: () => {
        setInterval(() => { throw new Error('again') }, 1)
        throw new Error('the end fails')
      } })
      Promise.reject(new Error('the first'))
    `)
    expect(code).toBe(1)
    expect(lines.at(-1)).toMatch(/ended because an error escaped: Error: the first; \d+ more came/)
    // The 770 MB of log that such a loop once wrote.
    expect(lines.length).toBeLessThan(60)
  })

  it('ends the process at the deadline when the orderly end never ends', async () => {
    const { code, lines } = await runProgram(`
      new LastResort({ log, what: 'node x', deadlineMs: () => 200, end: () => new Promise(() => undefined) })
      setTimeout(() => { throw 'a string' }, 10)
    `)
    expect(code).toBe(1)
    expect(lines.at(-1)).toContain('ended because an error escaped: a string')
  })
})
