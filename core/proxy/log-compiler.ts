/** Compiles access logs and formats for one worker: joins what telemetry, routes and the process each know. */
import type { AccessLog } from "../config/model.ts";
import {
  compileFormat,
  compileJsonFormat,
  DEFAULT_LOG_FORMAT,
  type FormatEnvironment,
} from "../http/formatter.ts";
import { compileHeaderMatcher } from "../route/header-matcher.ts";
import type { Runtime } from "../route/runtime-fraction.ts";
import { type AccessLogger, compileAccessLogs, type LineFormatter } from "../telemetry/access-log.ts";
import type { AccessLogContext } from "../telemetry/access-log-filter.ts";
import type { Services } from "./services.ts";

export class LogCompiler {
  readonly context: AccessLogContext;
  readonly environment: FormatEnvironment;
  private readonly services: Services;

  constructor(services: Services, environment: FormatEnvironment, runtime: () => Runtime) {
    this.services = services;
    this.environment = environment;
    this.context = {
      compileHeader(config) {
        const matcher = compileHeaderMatcher(config, "", []);
        return (head) => matcher.matches(head);
      },
      runtimeNumber(key) {
        const value = runtime()[key];
        return typeof value === "number" ? value : null;
      },
      random: () => services.random32(),
    };
  }

  /** The loggers of a listener or filter. Formats were validated with the configuration. */
  compile(logs: readonly AccessLog[]): readonly AccessLogger[] {
    const { environment, services } = this;
    return compileAccessLogs(logs, {
      ...this.context,
      openLog: (path) => services.platform.openLog(path),
      compileFormat(format): LineFormatter {
        if (format === null || format.kind === "text") {
          const text = format === null ? DEFAULT_LOG_FORMAT : format.format;
          const { formatter } = compileFormat(text, environment, format?.omitEmptyValues === true);
          return formatter ?? { format: () => "" };
        }
        const { formatter } = compileJsonFormat(format.format, environment, format.omitEmptyValues);
        return formatter ?? { format: () => "" };
      },
    });
  }
}
