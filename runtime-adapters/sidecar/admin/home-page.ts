/** `/`: the commands as a page with links and buttons. Nothing that comes from outside is printed on it. */
import { ADMIN_COMMANDS, type AdminCommand } from "./admin-command.ts";

function row({ path, help, mutates }: AdminCommand): string {
  const name = path.slice(1);
  const action = mutates
    ? `<form method="post" action="${name}"><button>${name}</button></form>`
    : `<a href="${name}">${name}</a>`;
  return `<tr><td>${action}</td><td>${help.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</td></tr>`;
}

/** The page. */
export function homePage(): string {
  const rows = ADMIN_COMMANDS.filter(({ path }) => path !== "/").map(row);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<title>Tulle Admin</title>
<style>body { font-family: sans-serif } td { padding: 4px 12px 4px 4px } form { margin: 0 }</style>
</head>
<body>
<table>
<tr><th align="left">Command</th><th align="left">Description</th></tr>
${rows.join("\n")}
</table>
</body>
</html>
`;
}
