import type { RouteConfig } from '../../../contract/route-config.ts'
import type { RouteHandler } from '../http/exchange.ts'
import type { TargetChoice } from '../targets/target-group.ts'
import { TcpBlock } from '../tcp/block.ts'
import { TcpForward, type TcpServices } from '../tcp/connection.ts'
import type { ConnectionHandler } from '../tcp/handler.ts'
import type { SocketHandler } from '../tcp/socket-handler.ts'
import { SocketRoute } from '../tcp/socket-route.ts'
import { Block } from './block.ts'
import { FileAnswer, Folder } from './files.ts'
import { Forward } from './forward.ts'
import { Redirect } from './redirect.ts'
import { StaticText } from './static-text.ts'

/** What a handler is made of beside its route. */
export interface HandlerParts {
  /** Adopted when they are first asked for. */
  targets(): TargetChoice
  /** The function of a route of type `socket`. */
  functionOf(): SocketHandler
}

/** What answers the requests, or carries the connections, of a route. A new type of action is a file, and a case here. */
export interface Handlers {
  http(route: RouteConfig, parts: HandlerParts): RouteHandler
  tcp(route: RouteConfig, parts: HandlerParts): ConnectionHandler
}

const httpHandler = (route: RouteConfig, { targets }: HandlerParts, services: TcpServices): RouteHandler => {
  const { action, match } = route
  switch (action.type) {
    case 'forward':
      return new Forward(route.name, targets(), services)
    case 'redirect':
      return new Redirect(action)
    case 'block':
      return new Block(route.name, action)
    case 'static':
      if (action.root !== undefined) return new Folder(action, action.root, match.path)
      return action.file === undefined ? new StaticText(action) : new FileAnswer(action, action.file)
    case 'socket':
      throw new Error('a route of type socket reads no requests')
  }
}

const tcpHandler = (
  route: RouteConfig,
  { targets, functionOf }: HandlerParts,
  services: TcpServices,
): ConnectionHandler => {
  switch (route.action.type) {
    case 'forward':
      return new TcpForward(targets(), services)
    case 'block':
      return new TcpBlock(services)
    case 'socket':
      return new SocketRoute(route.name, functionOf(), services)
    default:
      throw new Error(`a route of type ${route.action.type} answers requests alone`)
  }
}

/** The handlers of every type of action. */
export const handlersOf = (services: TcpServices): Handlers => ({
  http: (route, parts) => httpHandler(route, parts, services),
  tcp: (route, parts) => tcpHandler(route, parts, services),
})
