# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_configtxlator_global_optspecs
    string join \n h/help
end

function __fish_configtxlator_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_configtxlator_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_configtxlator_using_subcommand
    set -l cmd (__fish_configtxlator_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c configtxlator -n "__fish_configtxlator_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "start" -d 'Serve the translations over HTTP, to whoever can connect'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "proto_encode" -d 'Turn JSON into a message'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "proto_decode" -d 'Turn a message into JSON'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "compute_update" -d 'Compute the update that turns one channel config into another'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "version" -d 'Show version information'
complete -c configtxlator -n "__fish_configtxlator_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand start" -l hostname -d 'Host name or IP address to listen on' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand start" -l port -d 'TCP port to listen on' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand start" -l CORS -d 'Origin whose web pages may call, such as https://www.example.com, or * for all; can be repeated' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_encode" -l type -d 'Type of the message: a package (common, msp, orderer, etcdraft, protos, rwset, kvrwset) and a name, such as common.Config' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_encode" -l input -d 'File to read; standard input without it' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_encode" -l output -d 'File to write to; standard output without it' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_encode" -s h -l help -d 'Print help'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_decode" -l type -d 'Type of the message: a package (common, msp, orderer, etcdraft, protos, rwset, kvrwset) and a name, such as common.Config' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_decode" -l input -d 'File to read; standard input without it' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_decode" -l output -d 'File to write to; standard output without it' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand proto_decode" -s h -l help -d 'Print help'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand compute_update" -l original -d 'File with the config as it is' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand compute_update" -l updated -d 'File with the config as it shall be' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand compute_update" -l channel_id -d 'The channel that the update is for' -r
complete -c configtxlator -n "__fish_configtxlator_using_subcommand compute_update" -l output -d 'File to write the update to; standard output without it' -r -F
complete -c configtxlator -n "__fish_configtxlator_using_subcommand compute_update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand version" -s h -l help -d 'Print help'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "start" -d 'Serve the translations over HTTP, to whoever can connect'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "proto_encode" -d 'Turn JSON into a message'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "proto_decode" -d 'Turn a message into JSON'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "compute_update" -d 'Compute the update that turns one channel config into another'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "version" -d 'Show version information'
complete -c configtxlator -n "__fish_configtxlator_using_subcommand help; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
