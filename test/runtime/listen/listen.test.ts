import { execFile } from 'node:child_process'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen } from '../../../server/runtime/listen/listen.ts'

const LISTEN = fileURLToPath(new URL('../../../server/runtime/listen/listen.ts', import.meta.url))

const server = (): net.Server => {
  const made = net.createServer()
  onTestFinished(() => {
    made.close()
  })
  return made
}

describe('a listener', () => {
  it('answers the port that it was given', async () => {
    const web = http.createServer()
    onTestFinished(() => {
      web.close()
    })
    expect(await listen(web, '127.0.0.1', 0)).toBe((web.address() as AddressInfo).port)
    expect(web.listenerCount('error')).toBe(0)
  })

  it('says with one code that another process has the port, and what can be done', async () => {
    const port = await listen(server(), '127.0.0.1', 0)
    const taken = server()
    await expect(listen(taken, '127.0.0.1', port, { remedy: 'stop it' })).rejects.toMatchObject({
      code: 'ERR_PORT_TAKEN',
      message: `Port ${port} on 127.0.0.1 is in use by another process; stop it`,
      facts: { host: '127.0.0.1', port },
    })
    expect(taken.listening).toBe(false)
    expect(await listen(taken, '127.0.0.1', 0)).toBeGreaterThan(0)
  })

  it('says with another code that the address is not one of this machine', async () => {
    await expect(listen(server(), '203.0.113.1', 0)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      facts: { host: '203.0.113.1', port: 0 },
    })
  })

  it('says with that code too that this user may not bind the port', async () => {
    // A process of its own: who gives up the rights of the superuser does not get them back.
    const script = `
      const { listen } = await import(${JSON.stringify(LISTEN)})
      const { createServer } = await import('node:net')
      if (process.getuid() === 0) process.setuid(65534)
      await listen(createServer(), '127.0.0.1', 7).then(
        () => console.log('bound'),
        (error) => console.log(error.code, error.message, error.cause.code),
      )
      process.exit(0)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    // Where the machine lets everybody bind low ports there is nothing to refuse.
    expect(['bound', 'ERR_CONFIG Port 7 on 127.0.0.1 may not be bound by this user EACCES']).toContain(
      stdout.trim(),
    )
  })
})
