import net, { type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { KernelTable, kernelKey } from '../../../server/runtime/proxy/connections/kernel-table.ts'
import { until } from './harness.ts'

const pair = async (listenOn: string, connectTo: string): Promise<[accepted: Socket, client: Socket]> => {
  const server = net.createServer({ pauseOnConnect: true })
  await new Promise<void>((resolve) => server.listen(0, listenOn, resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const client = net.connect({ port: (server.address() as AddressInfo).port, host: connectTo })
  client.pause()
  const both: [Socket, Socket] = [await accepted, client]
  onTestFinished(() => {
    for (const socket of both) socket.destroy()
    server.close()
  })
  return both
}

/** Whether this machine has the address at all. */
const can = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen(0, address, () => server.close(() => resolve(true)))
  })

describe.runIf(process.platform === 'linux')("the kernel's table", () => {
  it.each([
    ['IPv4', '127.0.0.1', '127.0.0.1'],
    ['IPv6', '::1', '::1'],
    ['IPv4 on a listener of IPv6', '::', '127.0.0.1'],
  ])(
    'tells what a peer has not taken, and when it has, and its FIN before it is read: %s',
    async (_what, on, to) => {
      if (!(await can(on))) return
      const [accepted, client] = await pair(on, to)
      const table = new KernelTable()
      const key = kernelKey(accepted)
      expect(table.unacknowledged(key, 0)).toBe(null)
      accepted.write(Buffer.alloc(1024 * 1024))
      await table.look()
      expect(table.unacknowledged(key, 0)).toBeGreaterThan(0)
      client.resume()
      await until(() => client.bytesRead === 1024 * 1024)
      await table.lookAfresh()
      expect(table.unacknowledged(key, 0)).toBe(0)
      expect(table.peerEnded(key)).toBe(false)
      client.end('unread')
      await until(() => client.writableFinished)
      await table.lookAfresh()
      expect(table.peerEnded(key)).toBe(true)
    },
  )
})
