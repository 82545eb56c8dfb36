/**
 * The proxy beside HAProxy and nginx (256 KiB buffers) and beside no proxy at all, in one run: `node bench/proxy.ts [--quick]`.
 *
 * Every contender runs as one process; targets and load run in processes of their own. Rounds are interleaved, so that a machine
 * that grows busy slows everybody, and medians are compared. Ratios count, never the absolute numbers.
 */
import { type ChildProcess, execFile, fork, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const SELF = fileURLToPath(import.meta.url)
const QUICK = process.argv.includes('--quick')
const ROUNDS = QUICK ? 1 : 3
const ROUND_MS = QUICK ? 400 : 900
/** The whole run is given up after this. */
const LIMIT_MS = 88_000
const BUFFER_BYTES = 256 * 1024

const listen = async (server: net.Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }, resolve))
  return (server.address() as AddressInfo).port
}

const SCENARIOS = ['bulk 1', 'bulk 64', 'connects', 'echo 64', 'http 64'] as const
type Scenario = (typeof SCENARIOS)[number]
const UNITS: Record<Scenario, string> = {
  'bulk 1': 'MB/s, 1 connection',
  'bulk 64': 'MB/s, 64 connections',
  connects: 'new connections/s',
  'echo 64': '64-byte echoes/s, 64 connections',
  'http 64': 'HTTP requests/s, 64 kept-alive',
}

interface Ports {
  bulk: number
  echo: number
  web: number
}

const ignore = (): undefined => undefined

/** Three targets in one process: one that sends without end, an echo, and a small raw HTTP server. */
const runTargets = async (): Promise<Ports> => {
  const block = Buffer.alloc(BUFFER_BYTES)
  const bulk = net.createServer({ noDelay: true }, (socket) => {
    const fill = (): void => {
      while (socket.writable && socket.write(block));
    }
    socket.on('error', ignore).on('drain', fill).resume()
    fill()
  })
  const echo = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', ignore).on('data', (chunk) => socket.write(chunk))
  })
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n${'x'.repeat(100)}`,
  )
  const web = net.createServer({ noDelay: true }, (socket) => {
    let text = ''
    socket.on('error', ignore).on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4)
        socket.write(answer)
      }
    })
  })
  return { bulk: await listen(bulk), echo: await listen(echo), web: await listen(web) }
}

const runOurs = async (targets: Ports): Promise<Ports> => {
  const [{ createProxy }, { proxyConfigSchema }, { createLog }] = await Promise.all([
    import('../server/runtime/proxy/proxy.ts'),
    import('../server/contract/node-config.ts'),
    import('../server/observe/log.ts'),
  ])
  const route = (name: keyof Ports, protocol: 'tcp' | 'http'): unknown => ({
    name,
    match: { ports: 0 },
    action: { type: 'forward', protocol, targets: [{ host: '127.0.0.1', port: targets[name] }] },
  })
  const proxy = createProxy(
    proxyConfigSchema.parse({
      host: '127.0.0.1',
      routes: [route('bulk', 'tcp'), route('echo', 'tcp'), route('web', 'http')],
    }),
    { node: 'bench-1', region: 'bench', log: createLog('bench', 'silent'), emit: ignore },
  )
  await proxy.start()
  const port = (name: string): number => proxy.listeners().find((one) => one.routes?.includes(name))!.port
  return { bulk: port('bulk'), echo: port('echo'), web: port('web') }
}

// Load: one scenario against one port for ROUND_MS; answers the figure per second.

const connect = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.on('error', reject)
  })

const bulkLoad = async (port: number, count: number): Promise<number> => {
  let bytes = 0
  const sockets = Array.from({ length: count }, () =>
    net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
        callback: (length) => {
          bytes += length
          return true
        },
      },
    }),
  )
  for (const socket of sockets) socket.on('error', ignore)
  await sleep(100)
  const [from, startedAt] = [bytes, performance.now()]
  await sleep(ROUND_MS)
  const rate = (bytes - from) / 1e6 / ((performance.now() - startedAt) / 1000)
  for (const socket of sockets) socket.destroy()
  return rate
}

const connectLoad = async (port: number): Promise<number> => {
  let done = 0
  const until = performance.now() + ROUND_MS
  const startedAt = performance.now()
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      await new Promise<void>((resolve) => {
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
        socket.on('connect', () => socket.write('x'))
        socket.on('data', () => {
          done += 1
          // A reset leaves no TIME_WAIT behind: thousands of those would slow whoever comes next.
          socket.resetAndDestroy()
        })
        socket.on('error', () => socket.destroy())
        socket.on('close', () => resolve())
      })
    }
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  return done / ((performance.now() - startedAt) / 1000)
}

const pingLoad = async (
  port: number,
  message: Buffer,
  answerBytes: (chunk: Buffer) => number,
): Promise<number> => {
  const sockets = await Promise.all(Array.from({ length: 64 }, () => connect(port)))
  let done = 0
  for (const socket of sockets) {
    let left = 0
    socket.on('error', ignore)
    socket.on('data', (chunk: Buffer) => {
      if (left === 0) left = answerBytes(chunk)
      left -= chunk.length
      if (left > 0) return
      left = 0
      done += 1
      socket.write(message)
    })
    socket.write(message)
  }
  await sleep(100)
  const [from, startedAt] = [done, performance.now()]
  await sleep(ROUND_MS)
  const rate = (done - from) / ((performance.now() - startedAt) / 1000)
  for (const socket of sockets) socket.destroy()
  return rate
}

const wrkInstalled = (): boolean => spawnSync('wrk', ['-v']).error === undefined

const wrkLoad = (port: number): Promise<number> =>
  new Promise((resolve) => {
    const seconds = Math.max(1, Math.round(ROUND_MS / 1000))
    execFile(
      'wrk',
      ['-t1', '-c64', `-d${seconds}s`, `http://127.0.0.1:${port}/`],
      { timeout: 10_000 },
      (_error, stdout) => resolve(Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN)),
    )
  })

const httpLoad = (port: number): Promise<number> =>
  wrkInstalled()
    ? wrkLoad(port)
    : pingLoad(
        port,
        Buffer.from('GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n'),
        (chunk) => chunk.indexOf('\r\n\r\n') + 4 + 100,
      )

const load = (scenario: Scenario, ports: Ports): Promise<number> => {
  switch (scenario) {
    case 'bulk 1':
      return bulkLoad(ports.bulk, 1)
    case 'bulk 64':
      return bulkLoad(ports.bulk, 64)
    case 'connects':
      return connectLoad(ports.echo)
    case 'echo 64':
      return pingLoad(ports.echo, Buffer.alloc(64, 'x'), () => 64)
    case 'http 64':
      return httpLoad(ports.web)
  }
}

// The parent: starts everybody, interleaves the rounds, prints.

const children: ChildProcess[] = []

const role = (name: string, argument: unknown = null): ChildProcess => {
  const child = fork(SELF, [...(QUICK ? ['--quick'] : []), `--role=${name}`, JSON.stringify(argument)])
  children.push(child)
  return child
}

const told = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T))
    child.once('exit', (code) => reject(new Error(`a process of the benchmark ended with ${code}`)))
  })

const freePorts = async (): Promise<Ports> => {
  const servers = Array.from({ length: 3 }, () => net.createServer())
  const [bulk, echo, web] = await Promise.all(servers.map(listen))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return { bulk: bulk!, echo: echo!, web: web! }
}

const haproxyConfig = (at: Ports, to: Ports): string => `global
  nbthread 1
  maxconn 4096
  tune.bufsize ${BUFFER_BYTES}
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bulk
  mode tcp
  bind 127.0.0.1:${at.bulk}
  server s 127.0.0.1:${to.bulk}
listen echo
  mode tcp
  bind 127.0.0.1:${at.echo}
  server s 127.0.0.1:${to.echo}
listen web
  mode http
  option forwardfor
  http-reuse always
  bind 127.0.0.1:${at.web}
  server s 127.0.0.1:${to.web}
`

const nginxConfig = (folder: string, at: Ports, to: Ports, stream: boolean): string => `${
  stream ? 'load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n' : ''
}worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log /dev/null crit;
events { worker_connections 4096; }
${
  stream
    ? `stream {
  proxy_buffer_size ${BUFFER_BYTES / 1024}k;
  server { listen 127.0.0.1:${at.bulk}; proxy_pass 127.0.0.1:${to.bulk}; }
  server { listen 127.0.0.1:${at.echo}; proxy_pass 127.0.0.1:${to.echo}; }
}`
    : ''
}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  keepalive_requests 100000000;
  upstream web { server 127.0.0.1:${to.web}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${at.web};
    location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; }
  }
}
`

const answers = async (port: number): Promise<boolean> => {
  for (let tries = 0; tries < 40; tries += 1) {
    const socket = await connect(port).catch(() => null)
    if (socket) {
      socket.on('error', ignore).destroy()
      return true
    }
    await sleep(50)
  }
  return false
}

interface Contender {
  name: string
  ports: Ports | null
  scenarios: readonly Scenario[]
  note?: string
}

const startPeer = async (name: 'HAProxy' | 'nginx', folder: string, to: Ports): Promise<Contender> => {
  const command = name === 'HAProxy' ? 'haproxy' : 'nginx'
  const none = { name, ports: null, scenarios: [] }
  if (spawnSync(command, ['-v']).error) return { ...none, note: 'not installed' }
  for (const stream of name === 'nginx' ? [true, false] : [true]) {
    const ports = await freePorts()
    const file = join(folder, `${command}-${stream}.conf`)
    await writeFile(
      file,
      name === 'HAProxy' ? haproxyConfig(ports, to) : nginxConfig(folder, ports, to, stream),
    )
    const child = spawn(
      command,
      name === 'HAProxy' ? ['-db', '-q', '-f', file] : ['-p', folder, '-c', file],
      {
        stdio: 'ignore',
      },
    )
    child.on('error', ignore)
    children.push(child)
    if (await answers(ports.web)) {
      return stream
        ? { name, ports, scenarios: SCENARIOS }
        : { name, ports, scenarios: ['http 64'], note: 'without its stream module: HTTP only' }
    }
    child.kill()
  }
  return { ...none, note: 'did not start' }
}

const median = (values: number[]): number => {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  return sorted.length === 0 ? Number.NaN : sorted[Math.floor(sorted.length / 2)]!
}

const print = (contenders: Contender[], results: Map<string, number[]>): void => {
  const figure = (name: string, scenario: Scenario): number =>
    median(results.get(`${name}/${scenario}`) ?? [])
  const row = (cells: string[]): void =>
    console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(36) : cell.padStart(14))).join(''))
  const names = contenders.map((contender) => contender.name)
  row(['', ...names, ...names.slice(1).map((name) => `÷ ${name}`)])
  for (const scenario of SCENARIOS) {
    const ours = figure(names[0]!, scenario)
    row([
      UNITS[scenario],
      ...names.map((name) => {
        const value = figure(name, scenario)
        return Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en')
      }),
      ...names.slice(1).map((name) => {
        const ratio = ours / figure(name, scenario)
        return Number.isNaN(ratio) ? '–' : ratio.toFixed(2)
      }),
    ])
  }
  for (const { name, note } of contenders) if (note) console.log(`${name}: ${note}`)
}

const runAll = async (): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-bench-'))
  const giveUp = setTimeout(() => {
    console.error(`The benchmark was given up after ${LIMIT_MS / 1000} s`)
    for (const child of children) child.kill('SIGKILL')
    process.exit(1)
  }, LIMIT_MS)
  try {
    const targets = await told<Ports>(role('targets'))
    const ours = await told<Ports>(role('ours', targets))
    const contenders: Contender[] = [
      { name: 'Tidegate', ports: ours, scenarios: SCENARIOS },
      await startPeer('HAProxy', folder, targets),
      await startPeer('nginx', folder, targets),
      { name: 'direct', ports: targets, scenarios: SCENARIOS },
    ]
    const loader = role('load')
    const results = new Map<string, number[]>()
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const scenario of SCENARIOS) {
        for (const { name, ports, scenarios } of contenders) {
          // Round −1 warms up what compiles while it runs.
          if (!ports || !scenarios.includes(scenario) || (round < 0 && name !== 'Tidegate')) continue
          loader.send({ scenario, ports })
          const { rate } = await told<{ rate: number }>(loader)
          loader.removeAllListeners('exit')
          if (round < 0) continue
          const key = `${name}/${scenario}`
          results.set(key, [...(results.get(key) ?? []), rate])
        }
      }
    }
    console.log(
      `Tidegate's proxy beside its peers: medians of ${ROUNDS} interleaved round(s) of ${ROUND_MS} ms`,
    )
    print(contenders, results)
  } finally {
    clearTimeout(giveUp)
    for (const child of children) child.kill('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
}

const roleName = process.argv.find((argument) => argument.startsWith('--role='))?.slice(7)
if (roleName) {
  process.once('disconnect', () => process.exit(0))
  const argument = JSON.parse(process.argv.at(-1)!) as Ports
  if (roleName === 'targets') process.send!(await runTargets())
  else if (roleName === 'ours') process.send!(await runOurs(argument))
  else {
    process.on('message', ({ scenario, ports }: { scenario: Scenario; ports: Ports }) => {
      void load(scenario, ports).then(
        (rate) => process.send!({ rate }),
        () => process.send!({ rate: Number.NaN }),
      )
    })
  }
} else {
  await runAll()
  // Anything that still holds the loop is a child that is ending.
  process.exit(0)
}
