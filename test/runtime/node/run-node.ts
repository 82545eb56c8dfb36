import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { runNode } from '../../../server/runtime/node/node-command.ts'

/** The process of `node-command.test.ts`: runs the node whose configuration is the first argument, as JSON. */
process.exitCode = await runNode(nodeConfigSchema.parse(JSON.parse(process.argv[2] ?? '')))
