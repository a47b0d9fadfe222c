# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_osnadmin_global_optspecs
    string join \n o/orderer-address= ca-file= client-cert= client-key= no-status h/help
end

function __fish_osnadmin_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_osnadmin_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_osnadmin_using_subcommand
    set -l cmd (__fish_osnadmin_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c osnadmin -n "__fish_osnadmin_needs_command" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c osnadmin -n "__fish_osnadmin_needs_command" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c osnadmin -n "__fish_osnadmin_needs_command" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_needs_command" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_needs_command" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c osnadmin -n "__fish_osnadmin_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osnadmin -n "__fish_osnadmin_needs_command" -f -a "channel" -d 'Join, list or remove channels'
complete -c osnadmin -n "__fish_osnadmin_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -s h -l help -d 'Print help'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -f -a "join" -d 'Join a channel, or make it, from its genesis block or a later config block'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -f -a "list" -d 'List all channels, or tell more about one'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -f -a "remove" -d 'Leave a channel and remove its blocks from the orderer'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and not __fish_seen_subcommand_from join list remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -s c -l channelID -d 'The channel; must be the one that the block is of' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -s b -l config-block -d 'File with the genesis block or the last config block' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from join" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -s c -l channelID -d 'The channel to tell about: how the orderer takes part, its state and number of blocks' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -s c -l channelID -d 'The channel' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from help" -f -a "join" -d 'Join a channel, or make it, from its genesis block or a later config block'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all channels, or tell more about one'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Leave a channel and remove its blocks from the orderer'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand channel; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand help; and not __fish_seen_subcommand_from channel help" -f -a "channel" -d 'Join, list or remove channels'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand help; and not __fish_seen_subcommand_from channel help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand help; and __fish_seen_subcommand_from channel" -f -a "join" -d 'Join a channel, or make it, from its genesis block or a later config block'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand help; and __fish_seen_subcommand_from channel" -f -a "list" -d 'List all channels, or tell more about one'
complete -c osnadmin -n "__fish_osnadmin_using_subcommand help; and __fish_seen_subcommand_from channel" -f -a "remove" -d 'Leave a channel and remove its blocks from the orderer'
