console.log("main", process.argv.slice(2), process.pid, process.ppid);
setTimeout(() => {}, 100);
