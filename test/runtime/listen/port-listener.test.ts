import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createLog } from '../../../server/observe/log.ts'
import { PortListener } from '../../../server/runtime/listen/port-listener.ts'

const answer = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    net
      .connect({ port, host: '127.0.0.1' })
      .on('data', (chunk) => {
        text += chunk.toString()
      })
      .on('end', () => resolve(text))
      .on('error', reject)
  })

describe('a port', () => {
  it('survives errors of accept, counts them, and keeps its number when it is bound again', async () => {
    const servers: net.Server[] = []
    const listener = new PortListener({
      host: '127.0.0.1',
      port: 0,
      tcpKeepAliveMs: 0,
      log: createLog('test', 'silent'),
      onSocket: (socket) => socket.end('fine'),
      createServer: ((options: net.ServerOpts) => {
        const server = net.createServer(options)
        servers.push(server)
        return server
      }) as typeof net.createServer,
    })
    onTestFinished(() => listener.unbind())
    await listener.bind()
    await listener.bind()
    const { port } = listener
    for (const code of ['EMFILE', 'ECONNABORTED'])
      servers[0]!.emit('error', Object.assign(new Error('accept'), { code }))
    expect(listener.acceptErrors).toBe(2)
    expect(await answer(port)).toBe('fine')
    listener.unbind()
    listener.unbind()
    expect(listener.bound).toBe(false)
    await listener.bind()
    expect(listener.port).toBe(port)
    expect(servers).toHaveLength(2)
    expect(await answer(port)).toBe('fine')
  })
})
