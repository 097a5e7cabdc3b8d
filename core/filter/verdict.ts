/**
 * What a filter's hook answers. The first three say what happens in nearly every case; the others are the finer
 * ways to hold that proxy-wasm and Envoy know.
 *
 * | verdict        | after headers                                   | after body                                 |
 * |----------------|-------------------------------------------------|--------------------------------------------|
 * | `Continue`     | on to the next filter                           | on, with all that was held here            |
 * | `Pause`        | headers and all that follows stay here, unseen; | the bytes stay; the next call sees them    |
 * |                | too much of it is refused (413, 500)            | all; too many are refused (413, 500)       |
 * | `Respond`      | the filter has answered; nothing goes further   | the same                                   |
 * | `PauseAndPress`| as `Pause`, but too much stops the sender       | the bytes stay, unseen from now on; too    |
 * |                |                                                 | many stop the sender                       |
 * | `PauseHeaders` | headers stay, the body is shown as it comes     | as `Pause`                                 |
 * | `Consume`      | as `Pause`                                      | bytes that came alone are gone; what they  |
 * |                |                                                 | were shown with stays, and they with it    |
 *
 * After trailers everything but `Continue` and `Respond` is a `Pause`. All of this is what Envoy does.
 */
export const Continue = 0;
export const Pause = 1;
export const Respond = 2;
export const PauseAndPress = 3;
export const PauseHeaders = 4;
export const Consume = 5;
export type Verdict =
  | typeof Continue
  | typeof Pause
  | typeof Respond
  | typeof PauseAndPress
  | typeof PauseHeaders
  | typeof Consume;
