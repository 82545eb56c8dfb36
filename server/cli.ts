import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { ApiClient, CommandLineError } from './cli/api-client.ts'
import {
  type DrainOptions,
  drainCommand,
  drainsCommand,
  showDrainCommand,
  steerDrainCommand,
} from './cli/drain-commands.ts'
import { EXIT, exitCodeFor } from './cli/exit-codes.ts'
import {
  demoCommand,
  exportIncidentCommand,
  incidentsCommand,
  replayCommand,
  smokeCommand,
  statusCommand,
  userAddCommand,
} from './cli/fleet-commands.ts'
import {
  addMaintenanceCommand,
  endMaintenanceCommand,
  type MaintenanceOptions,
  maintenanceCommand,
} from './cli/maintenance-commands.ts'
import { print } from './cli/output.ts'
import type { ProbeFlags } from './cli/probe-command.ts'
import type { NodeProbeAnswer } from './contract/answers/node-probe.ts'
import { AppError } from './contract/errors.ts'
import { NODE_KINDS } from './contract/states.ts'
import { StopWish, stopWithLauncher } from './lifecycle.ts'

interface Json {
  json?: boolean
}

const api = () => new ApiClient(process.env)
let exitCode: number = EXIT.ok
/** For commands where only the options can be invalid: ERR_INVALID is then a wrong command line. */
const usageError = (error: unknown): number | null =>
  error instanceof AppError && error.code === 'ERR_INVALID' ? EXIT.usage : null
const run =
  <A extends unknown[]>(
    command: (...args: A) => Promise<number>,
    codeOf = (_error: unknown): number | null => null,
  ) =>
  async (...args: A): Promise<void> => {
    // `drains show ID --json`: commander gives the option to `drains`, which has it too, and the command below must see it.
    const below = args.findLast((arg) => arg instanceof Command)
    if (below !== undefined) Object.assign(args.at(-2) ?? {}, below.optsWithGlobals())
    try {
      exitCode = await command(...args)
    } catch (error) {
      const code = codeOf(error)
      if (code === null || !(error instanceof AppError)) throw error
      process.stderr.write(`${error.code}: ${error.message}\n`)
      exitCode = code
    }
  }

const program = new Command('tidegate')
  .description('The control room for fleets of proxies and tunnels')
  .showHelpAfterError('(tidegate --help lists the commands)')
  .exitOverride()

/** Every command that prints an answer prints it as JSON with `--json`. */
const jsonOption = () => new Option('--json', 'print the answer as JSON')

program
  .command('start')
  .description('run the collector and its pages; without a tidegate.yaml, with the demo fleet')
  .action(
    run(async () => {
      // Signals count from here on: loading the server takes longer than an operator takes to change their mind.
      const wish = new StopWish()
      const { runServer } = await import('./main.ts')
      const code = await runServer(process.env, wish)
      // Every room is closed and the log is written: a timer that some library left behind must not keep the process alive.
      process.exit(code)
    }),
  )

program
  .command('node')
  .description('run one node alone')
  .requiredOption('--config <file>', 'the node, one entry of `embedded` with a `control` part')
  .action(
    run(async (options: { config: string }) => {
      const [{ loadNodeConfig }, { runNode }] = await Promise.all([
        import('./config/load.ts'),
        import('./runtime/node/node-command.ts'),
      ])
      stopWithLauncher()
      return runNode(loadNodeConfig(resolve(options.config), process.env))
    }),
  )

program
  .command('host')
  .description('hold a tunnel to a relay and serve its requests from a local server')
  .requiredOption('--relay <url...>', 'relays in order of preference, for example wss://relay-a.example.com')
  .requiredOption('--id <host>', 'this host, [a-z0-9-]{1,63}')
  .requiredOption('--to <url>', 'where requests go, for example http://localhost:8080')
  .option('--token <token>', 'its token; better in TIDEGATE_HOST_TOKEN, where other users do not see it')
  .action(
    run(async (options: { relay: string[]; id: string; to: string; token?: string }) => {
      const token = options.token ?? process.env.TIDEGATE_HOST_TOKEN
      if (token === undefined || token === '') {
        throw new AppError('ERR_INVALID', 'A token is needed: --token or the variable TIDEGATE_HOST_TOKEN')
      }
      const { runHost } = await import('./runtime/host/host-command.ts')
      stopWithLauncher()
      return runHost({ relays: options.relay, hostId: options.id, to: options.to, token })
    }, usageError),
  )

program
  .command('status')
  .description('is everything all right; exit code 1 in an outage')
  .addOption(jsonOption())
  .action(run((options: Json) => statusCommand(api(), options.json === true)))

program
  .command('drain <id>')
  .description('take a region (or with --node a node) out of service, and follow it until it is proven empty')
  .requiredOption('--reason <text>', 'why, for example "kernel update"')
  .option('--node', 'the id is a node')
  .option('--preview', 'print the plan and touch nothing')
  .option('--deadline <seconds>', 'budget of phase 2 on each node')
  .addOption(
    new Option('--on-deadline <what>', 'what happens then to what is left').choices([
      'wait',
      'force',
      'resume',
    ]),
  )
  .option('--pace <tunnels>', 'tunnels per second')
  .option('--force', 'override blockers; administrators only')
  .option('--no-follow', 'return at once')
  .addOption(jsonOption())
  .action(
    run(
      (id: string, options: Omit<DrainOptions, 'json'> & Json) =>
        drainCommand(api(), id, { ...options, json: options.json === true }),
      usageError,
    ),
  )

const drains = program.command('drains').description('list drains, or steer one').addOption(jsonOption())
drains.action(run((options: Json) => drainsCommand(api(), options.json === true)))
drains
  .command('show <id>')
  .addOption(jsonOption())
  .action(run((id: string, options: Json) => showDrainCommand(api(), id, options.json === true)))
for (const action of ['abort', 'resume', 'pause', 'continue'] as const) {
  drains
    .command(`${action} <id>`)
    .addOption(new Option('--end <state>', 'how an abort ends').choices(['serving', 'held']))
    .addOption(jsonOption())
    .action(
      run((id: string, options: Json & { end?: string }) =>
        steerDrainCommand(api(), id, action, options.end, options.json === true),
      ),
    )
}

const incidents = program.command('incidents').description('list incidents').addOption(jsonOption())
incidents.action(run((options: Json) => incidentsCommand(api(), options.json === true)))
incidents
  .command('export <id>')
  .addOption(new Option('--format <format>').choices(['md', 'json']).default('md'))
  .addOption(jsonOption())
  .action(
    run((id: string, options: Json & { format: string }) =>
      exportIncidentCommand(api(), id, options.json === true ? 'json' : options.format),
    ),
  )

const maintenance = program
  .command('maintenance')
  .description('list maintenance windows, announce one, or end one')
  .addOption(new Option('--status <state>', 'only these').choices(['planned', 'active', 'past']))
  .addOption(jsonOption())
maintenance.action(
  run((options: Json & { status?: string }) =>
    maintenanceCommand(api(), options.status, options.json === true),
  ),
)
maintenance
  .command('list')
  .addOption(new Option('--status <state>', 'only these').choices(['planned', 'active', 'past']))
  .addOption(jsonOption())
  .action(
    run((options: Json & { status?: string }) =>
      maintenanceCommand(api(), options.status, options.json === true),
    ),
  )
maintenance
  .command('add')
  .description('what it covers opens no incident meanwhile; without regions and nodes, the whole fleet')
  .requiredOption('--title <text>', 'what is done, for example "kernel update"')
  .requiredOption('--reason <text>', 'why')
  .option('--for <duration>', 'how long, for example 90m, 2h or 1h30m')
  .option('--from <time>', 'when it begins, ISO 8601; default now')
  .option('--to <time>', 'when it ends, ISO 8601, instead of --for')
  .option('--region <id...>', 'regions that it covers')
  .option('--node <id...>', 'nodes that it covers')
  .addOption(jsonOption())
  .action(
    run(
      (options: MaintenanceOptions & Json) => addMaintenanceCommand(api(), options, options.json === true),
      usageError,
    ),
  )
maintenance
  .command('end <id>')
  .description('end an active one now, or remove a planned one')
  .addOption(jsonOption())
  .action(run((id: string, options: Json) => endMaintenanceCommand(api(), id, options.json === true)))

program
  .command('check-config <file>')
  .description('print every problem of a tidegate.yaml; exit code 1 where there is one')
  .addOption(jsonOption())
  .action(
    run(async (file: string, options: Json) => {
      const { checkConfig } = await import('./config/load.ts')
      const problems = checkConfig(resolve(file), process.env)
      if (options.json === true) print(JSON.stringify({ ok: problems.length === 0, problems }, null, 2))
      else
        print(
          problems.length === 0
            ? `${file} is fine`
            : problems.map(({ path, message }) => `${path}  ${message}`).join('\n'),
        )
      return problems.length === 0 ? EXIT.ok : EXIT.failed
    }),
  )

program
  .command('probe <where>')
  .description(
    'what a system is, what is understood of it, and the entry to paste: a URL, the path of a socket, or host:port',
  )
  .addOption(new Option('--kind <kind>', 'what it is, where that is known').choices([...NODE_KINDS]))
  .option('--preset <preset>', 'its preset, for json and prometheus')
  .option('--ca <file>', 'authorities that are trusted instead of the public ones, PEM')
  .option('--cert <file>', 'client certificate that is shown, PEM; with --key')
  .option('--key <file>', 'its key, PEM')
  .option(
    '--auth <user:password>',
    "basic auth; the password better as a reference, 'ops:${NAME}' or 'ops:${file:/path}'",
  )
  .option('--token <token>', "control token of a Tidegate node; better as a reference, '${NAME}'")
  .option('--server', 'let the running collector look, from its machine (TIDEGATE_URL, TIDEGATE_TOKEN)')
  .addOption(jsonOption())
  .action(
    run(async (where: string, options: Json & ProbeFlags & { server?: boolean }) => {
      const { printProbe, probeRequest } = await import('./cli/probe-command.ts')
      const { request, written } = probeRequest(where, options, process.env)
      if (options.server === true)
        return printProbe(await api().post<NodeProbeAnswer>('/nodes/probe', request), options.json === true)
      const { probeHere } = await import('./main.ts')
      return printProbe(await probeHere(request, written), options.json === true)
    }, usageError),
  )

program
  .command('openapi')
  .description('print the OpenAPI 3.1 document of the API; no server is needed')
  .addOption(new Option('--json', 'it is JSON either way'))
  .action(
    run(async () => {
      const [{ openApiDocument }, { default: packageJson }] = await Promise.all([
        import('./contract/api/openapi.ts'),
        import('../package.json', { with: { type: 'json' } }),
      ])
      print(JSON.stringify(openApiDocument(packageJson.version), null, 2))
      return EXIT.ok
    }),
  )

program
  .command('smoke')
  .description('status 200 and the region echo, for deploy scripts')
  .requiredOption('--region <id>', 'the region that must answer')
  .option('--url <url>', "a relay's /health; default TIDEGATE_URL + /health")
  .option('--header <header...>', 'sent along, for example "fly-prefer-region: fra"')
  .addOption(jsonOption())
  .action(
    run((options: Json & { region: string; url?: string; header?: string[] }) =>
      smokeCommand(
        options.url ?? `${api().url}/health`,
        options.region,
        options.header ?? [],
        options.json === true,
      ),
    ),
  )

program
  .command('replay [scenario]')
  .description('start a game-day scenario of the demo fleet; without a name, list them')
  .option('--end', 'end it')
  .addOption(jsonOption())
  .action(
    run((scenario: string | undefined, options: Json & { end?: boolean }) =>
      replayCommand(api(), scenario, options.end === true, options.json === true),
    ),
  )

program
  .command('demo')
  .description('where the relays of the demo fleet listen')
  .addOption(jsonOption())
  .action(run((options: Json) => demoCommand(api(), options.json === true)))

program
  .command('backup <file>')
  .description(
    'copy the database into a new file, while the server runs or not; on the machine of the collector',
  )
  .addOption(jsonOption())
  .action(
    run(async (file: string, options: Json) => {
      const { backUpStore } = await import('./main.ts')
      const note = await backUpStore(process.env, file)
      const size =
        note.bytes < 1e6 ? `${Math.ceil(note.bytes / 1e3)} kB` : `${(note.bytes / 1e6).toFixed(1)} MB`
      print(
        options.json === true
          ? JSON.stringify(note, null, 2)
          : `The database is in ${note.path}: ${size}, in ${(note.durationMs / 1_000).toFixed(1)} s`,
      )
      return EXIT.ok
    }),
  )

const user = program.command('user').description('manage users')
user
  .command('add <email>')
  .description('the password comes from TIDEGATE_USER_PASSWORD')
  .addOption(new Option('--role <role>').choices(['viewer', 'operator', 'admin']).default('viewer'))
  .addOption(jsonOption())
  .action(
    run((email: string, options: Json & { role: string }) =>
      userAddCommand(api(), email, options.role, passwordFromEnvironment(), options.json === true),
    ),
  )
user
  .command('reset-password <email>')
  .description(
    'on the machine of the collector, while it is stopped; the password comes from TIDEGATE_USER_PASSWORD',
  )
  .action(
    run(async (email: string) => {
      const { resetPassword } = await import('./main.ts')
      await resetPassword(process.env, email, passwordFromEnvironment())
      print(`The password of ${email} was set, and all their sessions ended`)
      return EXIT.ok
    }),
  )

const passwordFromEnvironment = (): string => {
  const password = process.env.TIDEGATE_USER_PASSWORD
  if (password === undefined || password.length < 8) {
    throw new AppError('ERR_INVALID', 'Set TIDEGATE_USER_PASSWORD to a password of at least 8 characters')
  }
  return password
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof AppError) {
    process.stderr.write(`${error.code}: ${error.message}\n`)
    exitCode = error instanceof CommandLineError ? EXIT.usage : exitCodeFor(error.code)
  } else if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    // Commander has printed its own sentence already.
    exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  } else {
    throw error
  }
}
// The channel to the launcher would keep a finished command alive, and its end would look like the launcher's.
process.removeAllListeners('disconnect')
if (process.connected) process.disconnect?.()
process.exitCode = exitCode
